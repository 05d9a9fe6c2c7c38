// Java, RabbitMQ's amqp-client: the library's own recovery of connection, channels and consumers.
//
//     java -cp amqp-client.jar:slf4j-api.jar AmqpClient.java HOST PORT CERTS ITEM.json

import com.rabbitmq.client.AMQP;
import com.rabbitmq.client.Channel;
import com.rabbitmq.client.Connection;
import com.rabbitmq.client.ConnectionFactory;
import com.rabbitmq.client.DefaultConsumer;
import com.rabbitmq.client.DefaultSaslConfig;
import com.rabbitmq.client.Delivery;
import com.rabbitmq.client.Envelope;
import com.rabbitmq.client.Recoverable;
import com.rabbitmq.client.RecoveryListener;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.KeyFactory;
import java.security.KeyStore;
import java.security.PrivateKey;
import java.security.cert.Certificate;
import java.security.cert.CertificateFactory;
import java.security.spec.PKCS8EncodedKeySpec;
import java.util.Arrays;
import java.util.Base64;
import java.util.Map;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLParameters;
import javax.net.ssl.SSLSocket;
import javax.net.ssl.TrustManagerFactory;

public final class AmqpClient {
    private static final int ARRIVES_WITHIN_S = 15;
    private static final int RECONNECT_WITHIN_S = 30;
    private static final Pattern ITEM = Pattern.compile("\"ID\"\\s*:\\s*\"([A-Z]{2}[0-9]{9}[A-Z]{2})\"");

    private final Connection sender;
    private final Connection receiver;
    private final Channel out;
    private final Channel inbox;
    private final BlockingQueue<Delivery> arrivals = new LinkedBlockingQueue<>();
    private final CountDownLatch lost = new CountDownLatch(2);
    private final CountDownLatch recovered = new CountDownLatch(2);
    private final byte[] body;

    private AmqpClient(String host, int port, Path certs, byte[] body) throws Exception {
        this.body = body;
        sender = connect(host, port, certs, "post-items");
        receiver = connect(host, port, certs, "customs-declarations");
        out = sender.createChannel();
        out.confirmSelect();
        out.addReturnListener((code, text, exchange, key, properties, content) ->
            say("returned", "code", code, "text", text, "id", properties.getMessageId(),
                "whole", Arrays.equals(content, this.body)));
        inbox = receiver.createChannel();
        inbox.basicQos(10);
        inbox.basicConsume("inbox", false, new DefaultConsumer(inbox) {
            @Override
            public void handleDelivery(
                    String tag, Envelope envelope, AMQP.BasicProperties properties, byte[] content) {
                arrivals.add(new Delivery(envelope, properties, content));
            }
        });
    }

    private Connection connect(String host, int port, Path certs, String name) throws Exception {
        ConnectionFactory factory = new ConnectionFactory();
        factory.setHost(host);
        factory.setPort(port);
        factory.setSaslConfig(DefaultSaslConfig.EXTERNAL);
        factory.useSslProtocol(tls(certs, name));
        // This release has no enableHostnameVerification() yet; the socket can be told the same.
        factory.setSocketConfigurator(socket -> {
            SSLParameters parameters = ((SSLSocket) socket).getSSLParameters();
            parameters.setEndpointIdentificationAlgorithm("HTTPS");
            ((SSLSocket) socket).setSSLParameters(parameters);
        });
        factory.setRequestedHeartbeat(10);
        factory.setNetworkRecoveryInterval(500);
        Connection connection = factory.newConnection();
        connection.addShutdownListener(cause -> lost.countDown());
        ((Recoverable) connection).addRecoveryListener(new RecoveryListener() {
            @Override
            public void handleRecoveryStarted(Recoverable which) { }

            @Override
            public void handleRecovery(Recoverable which) {
                recovered.countDown();
            }
        });
        return connection;
    }

    private static SSLContext tls(Path certs, String name) throws IOException, GeneralSecurityException {
        char[] none = new char[0];
        KeyStore own = KeyStore.getInstance("PKCS12");
        own.load(null, none);
        Certificate[] chain = certificates(certs.resolve(name + ".pem"));
        own.setKeyEntry(name, privateKey(certs.resolve(name + ".key")), none, chain);
        KeyManagerFactory keys = KeyManagerFactory.getInstance(KeyManagerFactory.getDefaultAlgorithm());
        keys.init(own, none);

        KeyStore trusted = KeyStore.getInstance("PKCS12");
        trusted.load(null, none);
        for (Certificate authority : certificates(certs.resolve("ca.pem"))) {
            trusted.setCertificateEntry("ca", authority);
        }
        TrustManagerFactory trust = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
        trust.init(trusted);

        SSLContext context = SSLContext.getInstance("TLS");
        context.init(keys.getKeyManagers(), trust.getTrustManagers(), null);
        return context;
    }

    private static Certificate[] certificates(Path file) throws IOException, GeneralSecurityException {
        try (InputStream pem = new ByteArrayInputStream(Files.readAllBytes(file))) {
            return CertificateFactory.getInstance("X.509").generateCertificates(pem).toArray(new Certificate[0]);
        }
    }

    private static PrivateKey privateKey(Path file) throws IOException, GeneralSecurityException {
        String base64 = Files.readString(file).replaceAll("-----[A-Z ]+-----", "").replaceAll("\\s", "");
        PKCS8EncodedKeySpec pkcs8 = new PKCS8EncodedKeySpec(Base64.getDecoder().decode(base64));
        return KeyFactory.getInstance("EC").generatePrivate(pkcs8);
    }

    private void publish(String id, String to) throws Exception {
        AMQP.BasicProperties properties = new AMQP.BasicProperties.Builder()
            .messageId(id)
            .contentType("application/json")
            .deliveryMode(2)
            .headers(Map.of("to", to))
            .build();
        out.basicPublish("carnet", "postal.item", true, properties, body);
        out.waitForConfirmsOrDie(TimeUnit.SECONDS.toMillis(ARRIVES_WITHIN_S));
        say("confirmed", "id", id);
    }

    private void receive() throws Exception {
        Delivery delivery = arrivals.poll(ARRIVES_WITHIN_S, TimeUnit.SECONDS);
        if (delivery == null) {
            throw new IOException("nothing arrived in the inbox");
        }
        inbox.basicAck(delivery.getEnvelope().getDeliveryTag(), false);
        Matcher item = ITEM.matcher(new String(delivery.getBody(), StandardCharsets.UTF_8));
        say("received", "key", delivery.getEnvelope().getRoutingKey(),
            "item", item.find() ? item.group(1) : "", "redelivered", delivery.getEnvelope().isRedeliver());
    }

    private void run() throws Exception {
        say("connected");
        publish("java-1", "customs/main");
        receive();
        publish("java-refused", "environment/main");

        say("waiting");
        lost.await();
        say("lost");
        if (!recovered.await(RECONNECT_WITHIN_S, TimeUnit.SECONDS)) {
            throw new IOException("no broker after " + RECONNECT_WITHIN_S + " s");
        }
        say("reconnected");
        publish("java-2", "customs/main");
        receive();
        sender.close();
        receiver.close();
        say("done");
    }

    // One JSON object a line, without a JSON library.
    private static synchronized void say(String step, Object... fields) {
        StringBuilder line = new StringBuilder("{\"step\":" + quoted(step));
        for (int i = 0; i < fields.length; i += 2) {
            Object value = fields[i + 1];
            line.append(',').append(quoted(fields[i].toString())).append(':');
            line.append(value instanceof String ? quoted(value.toString()) : value);
        }
        System.out.println(line.append('}'));
    }

    private static String quoted(String text) {
        return '"' + text.replace("\\", "\\\\").replace("\"", "\\\"") + '"';
    }

    public static void main(String[] arguments) throws Exception {
        byte[] body = Files.readAllBytes(Path.of(arguments[3]));
        new AmqpClient(arguments[0], Integer.parseInt(arguments[1]), Path.of(arguments[2]), body).run();
    }
}
