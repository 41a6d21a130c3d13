// What a provider can get wrong, or somebody between: a middleware for oidc-provider that spoils its answers.
const { createHmac } = require('node:crypto');
const { decodeJwt, exportJWK, exportSPKI, generateKeyPair, SignJWT } = require('jose');

const FOREIGN = 'https://elsewhere.example';
const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');

exports.faulty = async (fault, { algorithm, privateKey, publicKey }) => {
  const fresh = await generateKeyPair(algorithm, { extractable: true });
  const sign = (claims, key, kid) => new SignJWT(claims).setProtectedHeader({ alg: algorithm, kid }).sign(key);
  const again = (change) => (claims) => sign({ ...claims, ...change }, privateKey, 'throw-away');

  const tokens = {
    wrong_nonce: again({ nonce: 'of another login' }),
    wrong_issuer: again({ iss: FOREIGN }),
    wrong_audience: again({ aud: 'another client' }),
    expired: again({ exp: 1, iat: 0 }),
    // The public key, which everybody knows, as the secret of an HMAC.
    algorithm_swap: async (claims) => {
      const signed = `${part({ alg: 'HS256', typ: 'JWT', kid: 'throw-away' })}.${part(claims)}`;
      const mac = createHmac('sha256', await exportSPKI(publicKey)).update(signed).digest('base64url');
      return `${signed}.${mac}`;
    },
    unsigned: async (claims) => `${part({ alg: 'none' })}.${part(claims)}.`,
    rotated_keys: (claims) => sign(claims, fresh.privateKey, 'new'),
    unpublished_key: (claims) => sign(claims, fresh.privateKey, 'new'),
  };

  let asked_for_keys = 0;
  return async (ctx, next) => {
    if (fault === 'token_endpoint_down' && ctx.path === '/token') return ctx.req.socket.destroy();
    if (fault === 'metadata_down' && ctx.path.startsWith('/.well-known/')) return ctx.req.socket.destroy();
    if (fault === 'slow' && ctx.path === '/token') await new Promise((done) => setTimeout(done, 60_000).unref());
    await next();
    if (fault === 'metadata_of_another' && ctx.path.startsWith('/.well-known/')) {
      ctx.body = { ...ctx.body, issuer: FOREIGN };
    }
    if (ctx.path === '/token' && ctx.body?.id_token && tokens[fault]) {
      ctx.body = { ...ctx.body, id_token: await tokens[fault](decodeJwt(ctx.body.id_token)) };
    }
    // The new key signs as soon as it is published, which a copy in memory does not show yet.
    if (fault === 'rotated_keys' && ctx.path === '/jwks' && asked_for_keys++ > 0) {
      const key = { ...(await exportJWK(fresh.publicKey)), alg: algorithm, use: 'sig', kid: 'new' };
      ctx.body = { keys: [...ctx.body.keys, key] };
    }
    // The code goes to the client of another provider (RFC 9207 section 1).
    const location = ctx.response.get('location') ?? '';
    if (fault === 'mixed_up' && location.includes('code=')) {
      const url = new URL(location);
      url.searchParams.set('iss', FOREIGN);
      ctx.set('location', url.href);
    }
  };
};
