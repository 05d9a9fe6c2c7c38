"""Python, aio-pika: asyncio, with the library's own recovery (`connect_robust`).

    aio_pika_client.py HOST PORT CERTS ITEM.json
"""

import asyncio
import json
import ssl
import sys

import aio_pika
from aio_pika.exceptions import DeliveryError

RECONNECT_WITHIN_S = 30


def say(step, **fields):
    print(json.dumps({"step": step, **fields}), flush=True)


async def connect(host, port, certs, name):
    tls = ssl.create_default_context(cafile=f"{certs}/ca.pem")
    tls.load_cert_chain(f"{certs}/{name}.pem", f"{certs}/{name}.key")
    return await aio_pika.connect_robust(
        f"amqps://{host}:{port}/?auth=external&heartbeat=10&reconnect_interval=0.5",
        ssl_context=tls,
    )


async def publish(carnet, message_id, to, body):
    message = aio_pika.Message(
        body,
        message_id=message_id,
        content_type="application/json",
        delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
        headers={"to": to},
    )
    await carnet.publish(message, routing_key="postal.item", mandatory=True)
    say("confirmed", id=message_id)


async def refused(carnet, message_id, to, body):
    try:
        await publish(carnet, message_id, to, body)
    except DeliveryError as error:
        returned = error.message
        say(
            "returned",
            code=returned.delivery.reply_code,
            text=returned.delivery.reply_text,
            id=returned.header.properties.message_id,
            whole=bytes(returned.body) == body,
        )
        # aio-pika raises once the return's own ack is in.
        say("confirmed", id=message_id)


async def receive(arrivals):
    message = await asyncio.wait_for(arrivals.get(), timeout=15)
    await message.ack()
    say(
        "received",
        key=message.routing_key,
        item=json.loads(message.body)["ID"],
        redelivered=message.redelivered,
    )


async def main():
    host, port, certs, item = sys.argv[1:5]
    with open(item, "rb") as file:
        body = file.read()

    sender = await connect(host, port, certs, "post-items")
    receiver = await connect(host, port, certs, "customs-declarations")
    say("connected")
    carnet = await (await sender.channel(on_return_raises=True)).get_exchange("carnet", ensure=False)
    channel = await receiver.channel()
    await channel.set_qos(prefetch_count=10)
    inbox = await channel.get_queue("inbox", ensure=True)
    arrivals = asyncio.Queue()
    await inbox.consume(arrivals.put)

    lost = asyncio.Event()
    back = {connection: asyncio.Event() for connection in (sender, receiver)}
    for connection, event in back.items():
        connection.close_callbacks.add(lambda *_: lost.set())
        connection.reconnect_callbacks.add(lambda connection, *_: back[connection].set())

    await publish(carnet, "aio-pika-1", "customs/main", body)
    await receive(arrivals)
    await refused(carnet, "aio-pika-refused", "environment/main", body)

    say("waiting")
    await lost.wait()
    say("lost", reason="the library noticed")
    for event in back.values():
        await asyncio.wait_for(event.wait(), RECONNECT_WITHIN_S)
    say("reconnected")
    await publish(carnet, "aio-pika-2", "customs/main", body)
    await receive(arrivals)
    await sender.close()
    await receiver.close()
    say("done")


asyncio.run(main())
