// A stock OAuth client, openid-client: fetches a token over TLS with the certificate to which it shall be bound.
import { request } from 'node:https';
import { readFileSync } from 'node:fs';
import * as client from 'openid-client';

export async function fetchToken(issuer, certs, scope) {
  const file = (name) => readFileSync(`${certs}/${name}`);
  const tls = { cert: file('post-items.pem'), key: file('post-items.key'), ca: readFileSync('login-ca.pem') };
  const overTls = (url, { method, headers, body }) => new Promise((resolve, reject) => {
    const options = { ...tls, method, headers: Object.fromEntries(new Headers(headers)) };
    const asked = request(url, options, (answer) => {
      const pieces = [];
      answer.on('data', (piece) => pieces.push(piece));
      answer.on('end', () => resolve(new Response(Buffer.concat(pieces), {
        status: answer.statusCode,
        headers: Object.entries(answer.headers).map(([name, value]) => [name, String(value)]),
      })));
    });
    asked.on('error', reject);
    asked.end(body ? String(body) : undefined);
  });
  const config = await client.discovery(
    new URL(issuer), 'items-service', 'a secret of the test', undefined, { [client.customFetch]: overTls });
  const granted = await client.clientCredentialsGrant(config, { resource: 'https://carnet.meridia.example', scope });
  return granted.access_token;
}
