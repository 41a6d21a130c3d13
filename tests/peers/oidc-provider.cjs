// usage: node oidc-provider.cjs
// An OpenID provider (npm oidc-provider) on a free loopback port: the customer's identity provider.
//
// Says `listening on URL`, then ends when its standard input does. The first line of standard input is JSON:
//   people       {"<login>": {"email": …, "name": …, "groups": […], …}}: who can sign in; the login is the `sub`
//   thin_tokens  whether the id token holds nothing but the subject, so that the rest must be asked of userinfo
//   algorithm    of the id tokens, default RS256
//   refuse       whether the person says no
//   extra        names of claims that every id token carries beside the standard's
//   logout_names what a logout token names, `sub` or `sid`; both by default
//   fault        what the provider gets wrong, see `oidc-provider-faults.cjs`
// Sends each logout token twice; `/told` says what the clients answered. Clients register themselves (RFC 7591). The login form is a page with the one field `login`, filled from
// login_hint; consent goes without saying.
const { decodeJwt, exportJWK, generateKeyPair, SignJWT } = require('jose');
const { Provider } = require('oidc-provider');
const { faulty } = require('./oidc-provider-faults.cjs');
const { serve } = require('./process.cjs');

const escape = (text) => text.replace(/[&<>"]/g, (c) => `&#${c.charCodeAt(0)};`);

serve(async (url, options) => {
  const algorithm = options.algorithm ?? 'RS256';
  const { privateKey, publicKey } = await generateKeyPair(algorithm, { extractable: true });

  const told = [];
  const provider = new Provider(url, {
    jwks: { keys: [{ ...(await exportJWK(privateKey)), alg: algorithm, use: 'sig', kid: 'throw-away' }] },
    cookies: { keys: ['throw-away'] },
    claims: {
      openid: ['sub', ...(options.extra ?? [])],
      email: ['email', 'email_verified'],
      profile: ['name', 'given_name', 'family_name', 'preferred_username', 'groups'],
    },
    conformIdTokenClaims: options.thin_tokens ?? false,
    features: {
      devInteractions: { enabled: false },
      registration: { enabled: true },
      backchannelLogout: { enabled: true },
      rpInitiatedLogout: {
        logoutSource: (ctx, form) => {
          const button = '<input type="hidden" name="logout" value="yes"><button>Sign out</button></form>';
          ctx.body = `<!doctype html><title>Sign out?</title>${form.replace('</form>', button)}`;
        },
      },
    },
    clientDefaults: { id_token_signed_response_alg: algorithm },
    enabledJWA: { idTokenSigningAlgValues: [algorithm] },
    pkce: { required: () => true },
    interactions: { url: (_, interaction) => `/interaction/${interaction.uid}` },
    ttl: { AccessToken: 600, AuthorizationCode: 60, IdToken: 600, Interaction: 600, Session: 600, Grant: 600 },
    // Its own dispatcher refuses loopback, where all of this lives.
    fetch: async (at, { dispatcher, ...request }) => {
      const logout = new URLSearchParams(request.body ?? '').get('logout_token');
      if (logout && options.logout_names) {
        const { sub, sid, ...claims } = decodeJwt(logout);
        const token = new SignJWT({ ...claims, ...(options.logout_names === 'sid' ? { sid } : { sub }) });
        const header = { alg: algorithm, kid: 'throw-away', typ: 'logout+jwt' };
        const body = new URLSearchParams({ logout_token: await token.setProtectedHeader(header).sign(privateKey) });
        request = { ...request, body };
      }
      const again = logout && (await fetch(at, request));
      const answer = await fetch(at, request);
      if (again) told.push(again.status, answer.status);
      return again || answer;
    },
    findAccount: (_, login) =>
      options.people[login] && { accountId: login, claims: () => ({ sub: login, ...options.people[login] }) },
  });
  if (options.fault) provider.use(await faulty(options.fault, { algorithm, privateKey, publicKey }));
  provider.on('server_error', (_, error) => console.error(error));

  async function interact(request, response) {
    const { prompt, params, session } = await provider.interactionDetails(request, response);
    const finish = (result) => provider.interactionFinished(request, response, result);
    if (options.refuse) {
      return finish({ error: 'access_denied', error_description: 'the person said no' });
    }
    if (prompt.name === 'consent') {
      const grant = new provider.Grant({ accountId: session.accountId, clientId: params.client_id });
      grant.addOIDCScope(params.scope);
      return finish({ consent: { grantId: await grant.save() } });
    }
    if (request.method === 'POST') {
      const chunks = [];
      for await (const chunk of request) chunks.push(chunk);
      const login = new URLSearchParams(Buffer.concat(chunks).toString()).get('login');
      if (options.people[login]) {
        return finish({ login: { accountId: login, amr: ['pwd'], acr: 'urn:example:password' } });
      }
    }
    response.setHeader('content-type', 'text/html; charset=utf-8');
    response.end(`<!doctype html><title>Practice sign-in</title>
      <form method="post"><input name="login" value="${escape(params.login_hint ?? '')}"><button>Sign in</button></form>`);
  }

  const callback = provider.callback();
  return (request, response) => {
    if (request.url === '/told') return response.end(JSON.stringify(told));
    if (!request.url.startsWith('/interaction/')) return callback(request, response);
    interact(request, response).catch((error) => {
      response.statusCode = 400;
      response.end(String(error));
    });
  };
});
