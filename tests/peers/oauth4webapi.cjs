// usage: node oauth4webapi.cjs
// The application, signing people in with the certified npm package oauth4webapi; see application.cjs.
const oauth = require('oauth4webapi');
const { application } = require('./application.cjs');

application(async (settings, redirect_uri, key) => {
  const insecure = { [oauth.allowInsecureRequests]: true };
  const issuer = new URL(settings.issuer);
  const as = await oauth.processDiscoveryResponse(issuer, await oauth.discoveryRequest(issuer, insecure));
  const me = { client_id: settings.client_id, id_token_signed_response_alg: settings.algorithm ?? 'RS256' };
  const authentication = {
    client_secret_basic: oauth.ClientSecretBasic,
    client_secret_post: oauth.ClientSecretPost,
    private_key_jwt: () => oauth.PrivateKeyJwt(key),
    none: oauth.None,
  }[settings.authentication ?? 'client_secret_basic'](settings.client_secret);
  const at = (endpoint, parameters) => {
    const url = new URL(endpoint);
    for (const [name, value] of Object.entries(parameters)) url.searchParams.set(name, value);
    return url;
  };

  return {
    async begin(parameters) {
      const verifier = oauth.generateRandomCodeVerifier();
      const [state, nonce] = [oauth.generateRandomState(), oauth.generateRandomNonce()];
      const request = {
        client_id: me.client_id,
        response_type: 'code',
        redirect_uri,
        scope: settings.scope ?? 'openid profile email groups roles offline_access',
        code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
        code_challenge_method: 'S256',
        state,
        nonce,
        ...parameters,
      };
      const push = async () => {
        const answer = await oauth.pushedAuthorizationRequest(as, me, authentication, request, insecure);
        const { request_uri } = await oauth.processPushedAuthorizationResponse(as, me, answer);
        return { client_id: me.client_id, request_uri };
      };
      const location = at(as.authorization_endpoint, settings.pushed ? await push() : request);
      return { location, checks: { verifier, state, nonce } };
    },
    async finish(request, { verifier, state, nonce } = {}) {
      const form = request.method === 'POST' ? await request.text() : new URL(request.url).search;
      const callback = oauth.validateAuthResponse(as, me, new URLSearchParams(form), state);
      const answer = await oauth.authorizationCodeGrantRequest(
        as, me, authentication, callback, redirect_uri, verifier, insecure);
      const checks = { expectedNonce: nonce, requireIdToken: true };
      const tokens = await oauth.processAuthorizationCodeResponse(as, me, answer, checks);
      await oauth.validateApplicationLevelSignature(as, answer, insecure);
      const claims = oauth.getValidatedIdTokenClaims(tokens);
      const known = await oauth.userInfoRequest(as, me, tokens.access_token, insecure);
      return { claims, userinfo: await oauth.processUserInfoResponse(as, me, claims.sub, known), tokens };
    },
    async refresh(token) {
      const answer = await oauth.refreshTokenGrantRequest(as, me, authentication, token, insecure);
      const tokens = await oauth.processRefreshTokenResponse(as, me, answer);
      await oauth.validateApplicationLevelSignature(as, answer, insecure);
      return { claims: oauth.getValidatedIdTokenClaims(tokens), tokens };
    },
    async introspect(token) {
      const answer = await oauth.introspectionRequest(as, me, authentication, token, insecure);
      return oauth.processIntrospectionResponse(as, me, answer);
    },
    async revoke(token) {
      return oauth.processRevocationResponse(await oauth.revocationRequest(as, me, authentication, token, insecure));
    },
    logout: (parameters) => at(as.end_session_endpoint, parameters),
  };
});
