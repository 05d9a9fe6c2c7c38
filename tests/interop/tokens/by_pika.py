"""pika, logged in by a token; the next one renews it."""

import ssl
import sys

import pika

port, certs, item, token, renewed = sys.argv[1:]
context = ssl.create_default_context(cafile=f"{certs}/ca.pem")
context.load_cert_chain(f"{certs}/post-items.pem", f"{certs}/post-items.key")


def parameters(password):
    return pika.ConnectionParameters(
        "localhost",
        int(port),
        credentials=pika.PlainCredentials("items-service", password),
        ssl_options=pika.SSLOptions(context, "localhost"),
    )


connection = pika.BlockingConnection(parameters(token))
channel = connection.channel()
channel.confirm_delivery()


def publish(kind, message_id):
    properties = pika.BasicProperties(message_id=message_id, content_type="application/json")
    with open(item, "rb") as body:
        try:
            channel.basic_publish("carnet", kind, body.read(), properties, mandatory=True)
            print("confirmed", message_id)
        except pika.exceptions.UnroutableError as error:
            print("refused", error.messages[0].method.reply_code)


publish("postal.item", "p-1")
publish("cargo.report", "p-2")
connection.update_secret(renewed, "renewed")
publish("postal.item", "p-3")
connection.close()

try:
    pika.BlockingConnection(parameters(token[:-8] + "AAAAAAAA"))
except pika.exceptions.ProbableAuthenticationError as error:
    print("declined", "token.signature" in str(error))
