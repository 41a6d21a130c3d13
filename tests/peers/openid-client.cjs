// usage: node openid-client.cjs
// The application, signing people in with the certified npm package openid-client.
//
// Says `listening on URL` (its redirect URI is URL/callback), then ends when its standard input does. The first
// line of standard input is JSON: {issuer, client_id, client_secret?, algorithm?, authentication?, scope?}, where
// authentication is client_secret_basic (default), client_secret_post or none.
//   GET /login?organization_id=…   sends the browser to the authorization endpoint, with the parameters given
//   GET /callback                  ends the sign-in and answers with JSON: {claims, userinfo, refreshed, tokens}
//                                  or, with status 400, {error, error_description, message}
const client = require('openid-client');
const { serve } = require('./process.cjs');

serve((url, settings) => {
  const redirect_uri = `${url}/callback`;
  const authentication = {
    client_secret_basic: client.ClientSecretBasic,
    client_secret_post: client.ClientSecretPost,
    none: client.None,
  }[settings.authentication ?? 'client_secret_basic'];
  let discovered;
  const configuration = () =>
    (discovered ??= client.discovery(
      new URL(settings.issuer),
      settings.client_id,
      { id_token_signed_response_alg: settings.algorithm ?? 'RS256' },
      authentication(settings.client_secret),
      // The second one checks signatures although the tokens came straight from the provider.
      { execute: [client.allowInsecureRequests, client.enableNonRepudiationChecks] },
    ));
  const started = new Map();

  async function login(query, response) {
    const pkceCodeVerifier = client.randomPKCECodeVerifier();
    const expectedState = client.randomState();
    const expectedNonce = client.randomNonce();
    started.set(expectedState, { pkceCodeVerifier, expectedState, expectedNonce });
    const location = client.buildAuthorizationUrl(await configuration(), {
      redirect_uri,
      scope: settings.scope ?? 'openid profile email groups roles offline_access',
      code_challenge: await client.calculatePKCECodeChallenge(pkceCodeVerifier),
      code_challenge_method: 'S256',
      state: expectedState,
      nonce: expectedNonce,
      ...Object.fromEntries(query),
    });
    response.writeHead(302, { location: location.href }).end();
  }

  async function callback(current, response) {
    const config = await configuration();
    const checks = started.get(current.searchParams.get('state'));
    started.delete(current.searchParams.get('state'));
    const tokens = await client.authorizationCodeGrant(config, current, checks);
    const claims = tokens.claims();
    const userinfo = await client.fetchUserInfo(config, tokens.access_token, claims.sub);
    const refreshed = tokens.refresh_token && (await client.refreshTokenGrant(config, tokens.refresh_token));
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify({ claims, userinfo, refreshed: refreshed?.claims(), tokens: refreshed ?? tokens }));
  }

  return (request, response) => {
    const current = new URL(request.url, url);
    const page = { '/login': () => login(current.searchParams, response), '/callback': () => callback(current, response) };
    Promise.resolve(page[current.pathname]?.() ?? response.writeHead(404).end()).catch((problem) => {
      const { error, error_description } = problem;
      response.writeHead(400, { 'content-type': 'application/json' });
      response.end(JSON.stringify({ error, error_description, message: String(problem.cause?.message ?? problem) }));
    });
  };
});
