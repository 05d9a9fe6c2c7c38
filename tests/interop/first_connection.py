import pika, ssl, sys, uuid
host, port, certs, item = sys.argv[1:]
tls = ssl.create_default_context(cafile=f"{certs}/ca.pem")
tls.load_cert_chain(f"{certs}/post-items.pem", f"{certs}/post-items.key")  # who we are
login = {"credentials": pika.credentials.ExternalCredentials(), "ssl_options": pika.SSLOptions(tls, host)}
channel = pika.BlockingConnection(pika.ConnectionParameters(host, int(port), **login)).channel()
channel.confirm_delivery()  # from here basic_publish returns when the broker has it on disk
about = pika.BasicProperties(message_id=str(uuid.uuid4()), content_type="application/json")
channel.basic_publish("carnet", "postal.item", open(item, "rb").read(), about)
print("confirmed: identified, ruled on, logged")
