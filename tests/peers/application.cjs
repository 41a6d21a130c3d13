// What the JavaScript applications share: their pages, around what one client library does.
//
// The first line of standard input is JSON: {issuer, client_id, client_secret?, algorithm?, authentication?, key?,
// scope?, pushed?}, where algorithm is that of the id tokens (RS256 by default), authentication is
// client_secret_basic (default), client_secret_post, private_key_jwt with key ({alg, kid, pkcs8}), or none, and
// pushed says whether requests go by PAR.
//   GET /login?organization_id=…   sends the browser to the authorization endpoint, with the parameters given
//   GET or POST /callback          ends the sign-in: {claims, userinfo, tokens}
//   GET /refresh?token=…           {claims, tokens}
//   GET /introspect?token=…        what the provider says of the token
//   GET /revoke?token=…            {}
//   GET /logout?id_token=…         sends the browser to the end of the session; it comes back to
//   GET /goodbye                   {}
// What fails is answered with status 400 and {error, error_description, status, message}.
const { serve } = require('./process.cjs');

/**
 * `open(settings, redirect_uri, key)` answers with the library's part:
 *   begin(parameters)         {location, checks}: where the browser goes, and what `finish` needs to know then
 *   finish(request, checks)   of the answer as a web `Request`
 *   refresh(token), introspect(token), revoke(token)
 *   logout(parameters)        where the browser goes
 */
exports.application = (open) =>
  serve((url, settings) => {
    const started = new Map();
    let opened;
    const library = async () => (opened ??= open(settings, `${url}/callback`, settings.key && (await signingKey(settings.key))));
    const token = (query) => query.get('token');

    const pages = {
      '/login': async (query) => {
        const { location, checks } = await (await library()).begin(Object.fromEntries(query));
        started.set(checks.state, checks);
        return location;
      },
      '/callback': async (query, request) => {
        const form = request.method === 'POST' ? new URLSearchParams(await request.clone().text()) : query;
        const checks = started.get(form.get('state'));
        started.delete(form.get('state'));
        return (await library()).finish(request, checks);
      },
      '/refresh': async (query) => (await library()).refresh(token(query)),
      '/introspect': async (query) => (await library()).introspect(token(query)),
      '/revoke': async (query) => (await (await library()).revoke(token(query))) ?? {},
      '/logout': async (query) => {
        const state = crypto.randomUUID();
        started.set(state, {});
        const post_logout_redirect_uri = `${url}/goodbye`;
        return (await library()).logout({ id_token_hint: query.get('id_token'), post_logout_redirect_uri, state });
      },
      '/goodbye': async (query) => {
        if (!started.delete(query.get('state'))) throw new Error('the state is not ours');
        return {};
      },
    };

    return (incoming, response) => {
      const page = pages[new URL(incoming.url, url).pathname];
      if (!page) return response.writeHead(404).end();
      const answer = (status, body) =>
        response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
      read(incoming, url)
        .then((request) => page(new URL(request.url).searchParams, request))
        .then((said) => (said instanceof URL ? response.writeHead(302, { location: said.href }).end() : answer(200, said)))
        .catch((problem) => {
          const { error, error_description, status } = problem;
          answer(400, { error, error_description, status, message: String(problem.cause?.message ?? problem) });
        });
    };
  });

/** The request as the web has it. */
async function read(incoming, url) {
  const chunks = [];
  for await (const chunk of incoming) chunks.push(chunk);
  const { method, headers } = incoming;
  const body = method === 'POST' ? Buffer.concat(chunks) : undefined;
  return new Request(new URL(incoming.url, url), { method, headers: { 'content-type': headers['content-type'] ?? '' }, body });
}

async function signingKey({ alg, kid, pkcs8 }) {
  const algorithm = alg === 'ES256' ? { name: 'ECDSA', namedCurve: 'P-256' } : 'Ed25519';
  return { kid, key: await crypto.subtle.importKey('pkcs8', Buffer.from(pkcs8, 'base64'), algorithm, false, ['sign']) };
}
