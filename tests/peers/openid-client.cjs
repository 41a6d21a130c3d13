// usage: node openid-client.cjs
// The application, signing people in with the certified npm package openid-client; see application.cjs.
const client = require('openid-client');
const { application } = require('./application.cjs');

application(async (settings, redirect_uri, key) => {
  const authentication = {
    client_secret_basic: client.ClientSecretBasic,
    client_secret_post: client.ClientSecretPost,
    private_key_jwt: () => client.PrivateKeyJwt(key),
    none: client.None,
  }[settings.authentication ?? 'client_secret_basic'];
  const config = await client.discovery(
    new URL(settings.issuer),
    settings.client_id,
    { id_token_signed_response_alg: settings.algorithm ?? 'RS256' },
    authentication(settings.client_secret),
    // The second one checks signatures although the tokens came straight from the provider.
    { execute: [client.allowInsecureRequests, client.enableNonRepudiationChecks] },
  );

  return {
    async begin(parameters) {
      const [verifier, state, nonce] = [client.randomPKCECodeVerifier(), client.randomState(), client.randomNonce()];
      const request = {
        redirect_uri,
        scope: settings.scope ?? 'openid profile email groups roles offline_access',
        code_challenge: await client.calculatePKCECodeChallenge(verifier),
        code_challenge_method: 'S256',
        state,
        nonce,
        ...parameters,
      };
      const build = settings.pushed ? client.buildAuthorizationUrlWithPAR : client.buildAuthorizationUrl;
      return { location: await build(config, request), checks: { verifier, state, nonce } };
    },
    async finish(request, { verifier, state, nonce } = {}) {
      const checks = { pkceCodeVerifier: verifier, expectedState: state, expectedNonce: nonce };
      const tokens = await client.authorizationCodeGrant(config, request, checks);
      const claims = tokens.claims();
      return { claims, userinfo: await client.fetchUserInfo(config, tokens.access_token, claims.sub), tokens };
    },
    async refresh(token) {
      const tokens = await client.refreshTokenGrant(config, token);
      return { claims: tokens.claims(), tokens };
    },
    introspect: (token) => client.tokenIntrospection(config, token),
    revoke: (token) => client.tokenRevocation(config, token),
    logout: (parameters) => client.buildEndSessionUrl(config, parameters),
  };
});
