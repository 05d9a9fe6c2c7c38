// An OAuth 2 authorisation server: oidc-provider as its makers publish it, with tokens for machines that
// are bound to the certificate with which they were fetched (RFC 8705).
import { createServer } from 'node:https';
import { generateKeyPairSync } from 'node:crypto';
import { readFileSync } from 'node:fs';
import Provider from 'oidc-provider';

const [cert, key] = process.argv.slice(2).map((path) => readFileSync(path));
const signing = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ format: 'jwk' });
const server = createServer({ cert, key, requestCert: true, rejectUnauthorized: false });
server.listen(0, 'localhost', () => {
  const issuer = `https://localhost:${server.address().port}`;
  const provider = new Provider(issuer, {
    jwks: { keys: [{ ...signing, kid: 'login-1', use: 'sig', alg: 'ES256' }] },
    clients: [{
      client_id: 'items-service',
      client_secret: 'a secret of the test',
      grant_types: ['client_credentials'],
      redirect_uris: [],
      response_types: [],
      id_token_signed_response_alg: 'ES256',
      tls_client_certificate_bound_access_tokens: true,
    }],
    features: {
      devInteractions: { enabled: false },
      clientCredentials: { enabled: true },
      mTLS: {
        enabled: true,
        certificateBoundAccessTokens: true,
        getCertificate: (ctx) => ctx.socket.getPeerX509Certificate(),
      },
      resourceIndicators: {
        enabled: true,
        getResourceServerInfo: () => ({
          scope: 'carnet.write:*/postal.* carnet.read:*/inbox',
          audience: 'carnet.meridia.example',
          accessTokenFormat: 'jwt',
          jwt: { sign: { alg: 'ES256' } },
        }),
      },
    },
  });
  server.on('request', provider.callback());
  console.log(issuer);
});
