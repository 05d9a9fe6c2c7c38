"""Kills the manual's outbox before each line that it runs, and starts it again.

    outbox_killed.py HOST PORT CERTS ITEM.json         in the folder of outbox.py
"""
import os
import pathlib
import signal
import sqlite3
import sys
import tempfile

sys.path.insert(0, ".")
import outbox  # noqa: E402

HOST, PORT, CERTS, ITEM = sys.argv[1:]
BODY = pathlib.Path(ITEM).read_bytes()
# In memory where that can be: processes are killed here, no machine is.
FOLDER = tempfile.TemporaryDirectory(dir="/dev/shm" if os.path.isdir("/dev/shm") else None)
DATABASE = f"{FOLDER.name}/outbox.db"
# Reached when all is done: nothing to publish, and receipts looked for since.
IDLE = next(at for at, line in enumerate(open("outbox.py"), 1) if "connection.sleep(1)" in line)


class Killer:
    """Counts the lines that run, and kills its process before a given one."""

    def __init__(self, at):
        self.at, self.lines = at, 0

    def __call__(self, frame, event, _argument):
        if not frame.f_code.co_filename.endswith("/outbox.py"):
            return None
        if event == "line":
            if frame.f_lineno == IDLE:
                os._exit(0)
            self.lines += 1
            if self.lines == self.at:
                os.kill(os.getpid(), signal.SIGKILL)
        return self


def has(database, item):
    return database.execute("SELECT count(*) FROM item WHERE id = ?", (item,)).fetchone()[0]


def run(items, killed_at):
    """Decides on those items that are not decided on, then carries; True where it was killed."""
    child = os.fork()
    if child == 0:
        sys.settrace(Killer(killed_at))
        database = outbox.open_database(DATABASE)
        for item, addressees in items.items():
            if not has(database, item):
                outbox.decide(database, item, addressees, BODY)
        outbox.carry(database, HOST, PORT, CERTS, "post-items")
    return os.WIFSIGNALED(os.waitpid(child, 0)[1])


def both_or_neither(items):
    with sqlite3.connect(DATABASE) as database:
        outbox.open_database(DATABASE)
        for item in items:
            sent = "SELECT count(*) FROM outbox WHERE message_id = ? || '-1'"
            assert has(database, item) == database.execute(sent, (item,)).fetchone()[0], item


def inbox():
    connection = outbox.connect(HOST, PORT, CERTS, "customs-declarations")
    channel = connection.channel()
    got = 0
    while (delivery := channel.basic_get("inbox", auto_ack=True))[0]:
        assert delivery[2] == BODY
        got += 1
    return got


def main():
    killed_at = 0
    while True:
        killed_at += 1
        items = {f"kept-{killed_at}": "customs/main", f"refused-{killed_at}": "environment/main"}
        killed = run(items, killed_at)
        both_or_neither(items)
        if not killed:
            break
        assert not run(items, 0), "killed by something else"
    rounds = killed_at
    with sqlite3.connect(DATABASE) as database:
        rows = database.execute(
            "SELECT message_id, json_extract(receipt, '$.outcome'), number"
            " FROM outbox ORDER BY number").fetchall()
    # Each message has its receipt, and the broker counted none of them twice.
    untold = [row for row in rows if row[2] is None]
    assert not untold, f"without a receipt: {untold}"
    numbers = [row[2] for row in rows]
    assert numbers == list(range(1, 2 * rounds + 1)), f"not one each: {numbers}"
    for message_id, outcome, _ in rows:
        kept = message_id.startswith("kept")
        assert outcome == ("released" if kept else "refused"), message_id
    assert inbox() == rounds
    print(f"killed before each of {rounds - 1} lines")


main()
