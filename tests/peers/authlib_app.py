"""usage: authlib_app.py

The application, signing people in with Authlib in Flask, by Authlib's own example.

Says `listening on URL` (its redirect URI is URL/callback), then ends when its standard input does. The first
line of standard input is JSON: {issuer, client_id, client_secret?, authentication?, scope?}.
  GET /login?organization_id=…   sends the browser to the authorization endpoint, with the parameters given
  GET /callback                  ends the sign-in and answers with JSON: {claims, userinfo, refreshed, tokens}
                                 or, with status 400, {error, error_description, message}
"""

import json
import os
import sys
import threading

os.environ["AUTHLIB_INSECURE_TRANSPORT"] = "1"  # loopback has no TLS

from authlib.integrations.base_client import OAuthError
from authlib.integrations.flask_client import OAuth
from flask import Flask, jsonify, request, url_for
from werkzeug.serving import WSGIRequestHandler, make_server

app = Flask(__name__)
app.secret_key = "throw-away"
WSGIRequestHandler.log = lambda *_: None
server = make_server("127.0.0.1", 0, app, threaded=True)
print(f"listening on http://127.0.0.1:{server.server_port}", flush=True)
settings = json.loads(sys.stdin.readline())

tenon = OAuth(app).register(
    "tenon",
    client_id=settings["client_id"],
    client_secret=settings.get("client_secret"),
    server_metadata_url=settings["issuer"] + "/.well-known/openid-configuration",
    client_kwargs={
        "scope": settings.get("scope", "openid profile email groups roles offline_access"),
        "code_challenge_method": "S256",
        "token_endpoint_auth_method": settings.get("authentication", "client_secret_basic"),
    },
)


@app.get("/login")
def login():
    return tenon.authorize_redirect(url_for("callback", _external=True), **request.args)


@app.get("/callback")
def callback():
    # Checks state, redeems the code, and checks the id token: signature, issuer, audience, nonce and times.
    token = tenon.authorize_access_token()
    claims = token.pop("userinfo")
    userinfo = tenon.userinfo(token=token)
    refreshed = None
    if "refresh_token" in token:
        token = tenon.fetch_access_token(
            grant_type="refresh_token", refresh_token=token["refresh_token"], redirect_uri=None
        )
        refreshed = tenon.parse_id_token(token, nonce=None)
    return jsonify(claims=claims, userinfo=userinfo, refreshed=refreshed, tokens=token)


@app.errorhandler(OAuthError)
def refused(problem):
    return jsonify(error=problem.error, error_description=problem.description, message=str(problem)), 400


threading.Thread(target=server.serve_forever, daemon=True).start()
sys.stdin.read()
