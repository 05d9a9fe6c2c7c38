"""Python, pika: blocking, one thread; it tries to reconnect as often as its parameters say.

    pika_client.py HOST PORT CERTS ITEM.json
"""

import json
import ssl
import sys

import pika
from pika.credentials import ExternalCredentials
from pika.exceptions import AMQPError, UnroutableError

TRIES_MAX = 60
TRY_EVERY_S = 0.5


def say(step, **fields):
    print(json.dumps({"step": step, **fields}), flush=True)


def connect(host, port, certs, name):
    tls = ssl.create_default_context(cafile=f"{certs}/ca.pem")
    tls.load_cert_chain(f"{certs}/{name}.pem", f"{certs}/{name}.key")
    return pika.BlockingConnection(
        pika.ConnectionParameters(
            host,
            port,
            credentials=ExternalCredentials(),
            ssl_options=pika.SSLOptions(tls, host),
            heartbeat=10,
            connection_attempts=TRIES_MAX,
            retry_delay=TRY_EVERY_S,
        )
    )


class Systems:
    """The post's sending system and the customs' receiving one, each with its own certificate."""

    def __init__(self, host, port, certs):
        self.sender = connect(host, port, certs, "post-items")
        self.receiver = connect(host, port, certs, "customs-declarations")
        self.out = self.sender.channel()
        self.out.confirm_delivery()
        self.inbox = self.receiver.channel()
        self.inbox.basic_qos(prefetch_count=10)

    def publish(self, message_id, to, body):
        properties = pika.BasicProperties(
            message_id=message_id,
            content_type="application/json",
            delivery_mode=2,
            headers={"to": to},
        )
        self.out.basic_publish("carnet", "postal.item", body, properties, mandatory=True)
        say("confirmed", id=message_id)

    def receive(self):
        for method, _, body in self.inbox.consume("inbox", inactivity_timeout=15):
            if method is None:
                raise TimeoutError("nothing arrived in the inbox")
            self.inbox.basic_ack(method.delivery_tag)
            say(
                "received",
                key=method.routing_key,
                item=json.loads(body)["ID"],
                redelivered=method.redelivered,
            )
            break
        self.inbox.cancel()

    def refused(self, message_id, to, body):
        try:
            self.publish(message_id, to, body)
        except UnroutableError as error:
            returned = error.messages[0]
            say(
                "returned",
                code=returned.method.reply_code,
                text=returned.method.reply_text,
                id=returned.properties.message_id,
                whole=returned.body == body,
            )
            # pika raises after the ack: the broker has taken responsibility for the refusal.
            say("confirmed", id=message_id)

    def wait_for_loss(self):
        while True:
            self.sender.process_data_events(time_limit=1)
            self.receiver.process_data_events(time_limit=0)

    def close(self):
        self.sender.close()
        self.receiver.close()


def main():
    host, port, certs, item = sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4]
    with open(item, "rb") as file:
        body = file.read()

    systems = Systems(host, port, certs)
    say("connected")
    systems.publish("pika-1", "customs/main", body)
    systems.receive()
    systems.refused("pika-refused", "environment/main", body)

    say("waiting")
    try:
        systems.wait_for_loss()
    except AMQPError as error:
        say("lost", reason=repr(error))
    systems = Systems(host, port, certs)
    say("reconnected")
    systems.publish("pika-2", "customs/main", body)
    systems.receive()
    systems.close()
    say("done")


main()
