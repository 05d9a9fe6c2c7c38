// amqplib, logged in by a token of the stock provider; prints the tokens that it has used, for others to try.
import { readFileSync } from 'node:fs';
import amqp from 'amqplib';
import { fetchToken } from './fetch.mjs';

const [issuer, port, certs, item] = process.argv.slice(2);
const scope = 'carnet.write:*/postal.* carnet.read:*/inbox';
const file = (name) => readFileSync(`${certs}/${name}`);
const token = await fetchToken(issuer, certs, scope);
const connection = await amqp.connect(
  { protocol: 'amqps', hostname: 'localhost', port: Number(port), username: 'items-service', password: token },
  { cert: file('post-items.pem'), key: file('post-items.key'), ca: [file('ca.pem')] });
const channel = await connection.createConfirmChannel();
channel.on('return', (message) => console.log(`refused ${message.fields.replyCode}`));
const publish = async (type, id) => {
  const options = { messageId: id, contentType: 'application/json', mandatory: true };
  channel.publish('carnet', type, readFileSync(item), options);
  await channel.waitForConfirms();
  console.log(`confirmed ${id}`);
};
await publish('postal.item', 'n-1');
await publish('cargo.report', 'n-2');
const renewed = await fetchToken(issuer, certs, scope);
await connection.updateSecret(Buffer.from(renewed), 'renewed');
await publish('postal.item', 'n-3');
await connection.close();
console.log(`tokens ${token} ${renewed}`);
