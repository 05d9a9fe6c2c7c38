<?php
// PHP, php-amqplib: blocking, one process, reconnecting by hand.
//
//     php amqplib_client.php HOST PORT CERTS ITEM.json

declare(strict_types=1);

require_once 'PhpAmqpLib/autoload.php';

use PhpAmqpLib\Channel\AMQPChannel;
use PhpAmqpLib\Connection\AbstractConnection;
use PhpAmqpLib\Connection\AMQPConnectionConfig;
use PhpAmqpLib\Connection\AMQPConnectionFactory;
use PhpAmqpLib\Exception\AMQPTimeoutException;
use PhpAmqpLib\Message\AMQPMessage;
use PhpAmqpLib\Wire\AMQPTable;

const TRIES_MAX = 60;
const TRY_EVERY_US = 500_000;
const ARRIVES_WITHIN_S = 15;

function say(string $step, array $fields = []): void
{
    echo json_encode(['step' => $step] + $fields, JSON_UNESCAPED_SLASHES), "\n";
}

function connect(string $host, int $port, string $certs, string $name): AbstractConnection
{
    $config = new AMQPConnectionConfig();
    $config->setHost($host);
    $config->setPort($port);
    // The certificate says who we are: the library wants its default user gone before EXTERNAL.
    $config->setUser('');
    $config->setPassword('');
    $config->setLoginMethod(AMQPConnectionConfig::AUTH_EXTERNAL);
    $config->setLoginResponse('');
    $config->setIsSecure(true);
    $config->setNetworkProtocol('ssl');
    $config->setSslVerify(true);
    $config->setSslVerifyName(true);
    $config->setSslCaCert("$certs/ca.pem");
    $config->setSslCert("$certs/$name.pem");
    $config->setSslKey("$certs/$name.key");
    return AMQPConnectionFactory::create($config);
}

/** The post's sending system and the customs' receiving one, each with its own certificate. */
final class Systems
{
    public AbstractConnection $sender;
    public AbstractConnection $receiver;
    private AMQPChannel $out;
    private AMQPChannel $inbox;
    private ?AMQPMessage $arrived = null;

    public function __construct(string $host, int $port, string $certs, private string $body)
    {
        $this->sender = connect($host, $port, $certs, 'post-items');
        $this->receiver = connect($host, $port, $certs, 'customs-declarations');
        $this->out = $this->sender->channel();
        $this->out->confirm_select();
        $this->out->set_return_listener(function ($code, $text, $exchange, $key, AMQPMessage $message): void {
            say('returned', ['code' => $code, 'text' => $text, 'id' => $message->get('message_id'),
                'whole' => $message->getBody() === $this->body]);
        });
        $this->inbox = $this->receiver->channel();
        $this->inbox->basic_qos(0, 1, false);
        $this->inbox->basic_consume('inbox', '', false, false, false, false, function (AMQPMessage $message): void {
            $this->arrived = $message;
        });
    }

    public function publish(string $id, string $to): void
    {
        $message = new AMQPMessage($this->body, [
            'message_id' => $id,
            'content_type' => 'application/json',
            'delivery_mode' => AMQPMessage::DELIVERY_MODE_PERSISTENT,
            'application_headers' => new AMQPTable(['to' => $to]),
        ]);
        $this->out->basic_publish($message, 'carnet', 'postal.item', true);
        $this->out->wait_for_pending_acks_returns(ARRIVES_WITHIN_S);
        say('confirmed', ['id' => $id]);
    }

    public function receive(): void
    {
        while ($this->arrived === null) {
            $this->inbox->wait(null, false, ARRIVES_WITHIN_S);
        }
        $message = $this->arrived;
        $this->arrived = null;
        $message->ack();
        say('received', ['key' => $message->getRoutingKey(), 'item' => json_decode($message->getBody())->ID,
            'redelivered' => (bool) $message->isRedelivered()]);
    }

    public function waitForLoss(): never
    {
        while (true) {
            try {
                $this->out->wait(null, false, 1);
            } catch (AMQPTimeoutException) {
                continue;
            }
        }
    }

    public function close(): void
    {
        $this->sender->close();
        $this->receiver->close();
    }
}

function reconnect(string $host, int $port, string $certs, string $body): Systems
{
    for ($tries = 1; $tries <= TRIES_MAX; $tries++) {
        try {
            $systems = new Systems($host, $port, $certs, $body);
            say('reconnected', ['tries' => $tries]);
            return $systems;
        } catch (\Exception) {
            usleep(TRY_EVERY_US);
        }
    }
    throw new \RuntimeException("no broker at $host:$port after " . TRIES_MAX . ' tries');
}

[, $host, $port, $certs, $item] = $argv;
$body = file_get_contents($item);

$systems = new Systems($host, (int) $port, $certs, $body);
say('connected');
$systems->publish('php-1', 'customs/main');
$systems->receive();
$systems->publish('php-refused', 'environment/main');

say('waiting');
try {
    $systems->waitForLoss();
} catch (\Exception $error) {
    say('lost', ['reason' => $error->getMessage()]);
}
$systems = reconnect($host, (int) $port, $certs, $body);
$systems->publish('php-2', 'customs/main');
$systems->receive();
$systems->close();
say('done');
