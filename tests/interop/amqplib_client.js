// Node.js, amqplib: promises, a confirm channel, reconnecting by hand.
//
//     node amqplib_client.js HOST PORT CERTS ITEM.json
'use strict';

const fs = require('node:fs');
const { once } = require('node:events');
const { setTimeout: pause } = require('node:timers/promises');
const amqp = require('amqplib');

const TRIES_MAX = 60;
const TRY_EVERY_MS = 500;
const ARRIVES_WITHIN_MS = 15_000;

function say(step, fields = {}) {
  process.stdout.write(`${JSON.stringify({ step, ...fields })}\n`);
}

function connect({ host, port, certs }, name) {
  return amqp.connect(
    { protocol: 'amqps', hostname: host, port, heartbeat: 10 },
    {
      ca: [fs.readFileSync(`${certs}/ca.pem`)],
      cert: fs.readFileSync(`${certs}/${name}.pem`),
      key: fs.readFileSync(`${certs}/${name}.key`),
      servername: host,
      credentials: amqp.credentials.external(),
    },
  );
}

// The post's sending system and the customs' receiving one, each with its own certificate.
async function openSystems(broker) {
  const sender = await connect(broker, 'post-items');
  const receiver = await connect(broker, 'customs-declarations');
  const lost = Promise.race([sender, receiver].map(async (connection) => {
    connection.on('error', () => {}); // 'close' follows and tells the same
    const [error] = await once(connection, 'close');
    return String(error);
  }));
  const out = await sender.createConfirmChannel();
  out.on('return', ({ fields, properties, content }) => say('returned', {
    code: fields.replyCode,
    text: fields.replyText,
    id: properties.messageId,
    whole: content.equals(broker.body),
  }));
  const inbox = await receiver.createChannel();
  await inbox.prefetch(10);
  const arrivals = [];
  const wake = { now: () => {} };
  await inbox.consume('inbox', (message) => {
    arrivals.push(message);
    wake.now();
  });
  return { sender, receiver, out, inbox, arrivals, wake, lost };
}

async function publish(systems, messageId, to, body) {
  systems.out.publish('carnet', 'postal.item', body, {
    messageId,
    contentType: 'application/json',
    persistent: true,
    mandatory: true,
    headers: { to },
  });
  await systems.out.waitForConfirms();
  say('confirmed', { id: messageId });
}

async function receive({ arrivals, inbox, wake }) {
  if (arrivals.length === 0) {
    await Promise.race([
      new Promise((resolve) => { wake.now = resolve; }),
      pause(ARRIVES_WITHIN_MS, undefined, { ref: false }),
    ]);
  }
  const message = arrivals.shift();
  if (!message) throw new Error('nothing arrived in the inbox');
  inbox.ack(message);
  say('received', {
    key: message.fields.routingKey,
    item: JSON.parse(message.content).ID,
    redelivered: message.fields.redelivered,
  });
}

async function reconnect(broker) {
  for (let tries = 1; tries <= TRIES_MAX; tries += 1) {
    try {
      const systems = await openSystems(broker);
      say('reconnected', { tries });
      return systems;
    } catch {
      await pause(TRY_EVERY_MS);
    }
  }
  throw new Error(`no broker at ${broker.host}:${broker.port} after ${TRIES_MAX} tries`);
}

async function main() {
  const [host, port, certs, item] = process.argv.slice(2);
  const body = fs.readFileSync(item);
  const broker = { host, port: Number(port), certs, body };

  let systems = await openSystems(broker);
  say('connected');
  await publish(systems, 'amqplib-1', 'customs/main', body);
  await receive(systems);
  await publish(systems, 'amqplib-refused', 'environment/main', body);

  say('waiting');
  say('lost', { reason: await systems.lost });
  systems = await reconnect(broker);
  await publish(systems, 'amqplib-2', 'customs/main', body);
  await receive(systems);
  await systems.inbox.close();
  await systems.sender.close();
  await systems.receiver.close();
  say('done');
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
