"""usage: authlib_app.py

The application, signing people in with Authlib in Flask, by Authlib's own example.

Says `listening on URL` (its redirect URI is URL/callback), then ends when its standard input does. Its settings
and its pages are those of application.cjs.
"""

import base64
import json
import os
import sys
import threading
from urllib.parse import parse_qsl, urlencode, urlsplit

os.environ["AUTHLIB_INSECURE_TRANSPORT"] = "1"  # loopback has no TLS

from authlib.integrations.base_client import OAuthError
from authlib.integrations.flask_client import OAuth
from authlib.integrations.requests_client import OAuth2Session
from authlib.oauth2.rfc7523 import PrivateKeyJWT
from flask import Flask, jsonify, redirect, request, url_for
from joserfc.jwk import ECKey, OKPKey
from werkzeug.serving import WSGIRequestHandler, make_server

app = Flask(__name__)
app.secret_key = "throw-away"
# An answer that comes by POST from the provider's page brings no Lax cookie.
app.config["SESSION_COOKIE_SAMESITE"] = "None"
WSGIRequestHandler.log = lambda *_: None
server = make_server("127.0.0.1", 0, app, threaded=True)
print(f"listening on http://127.0.0.1:{server.server_port}", flush=True)
settings = json.loads(sys.stdin.readline())

authentication = settings.get("authentication", "client_secret_basic")
secret, methods = settings.get("client_secret"), []
if key := settings.get("key"):
    pem = f"-----BEGIN PRIVATE KEY-----\n{key['pkcs8']}\n-----END PRIVATE KEY-----\n"
    secret = (ECKey if key["alg"] == "ES256" else OKPKey).import_key(pem)
    methods = [PrivateKeyJWT(alg=key["alg"], headers={"kid": key["kid"]})]

tenon = OAuth(app).register(
    "tenon",
    client_id=settings["client_id"],
    client_secret=secret,
    server_metadata_url=settings["issuer"] + "/.well-known/openid-configuration",
    client_auth_methods=methods,
    client_kwargs={
        "scope": settings.get("scope", "openid profile email groups roles offline_access"),
        "code_challenge_method": "S256",
        "token_endpoint_auth_method": authentication,
    },
)


def at(endpoint):
    return tenon.load_server_metadata()[endpoint]


def session():
    session = OAuth2Session(
        settings["client_id"],
        secret,
        token_endpoint_auth_method=authentication,
        revocation_endpoint_auth_method=authentication,
    )
    for method in methods:
        session.register_client_auth_method(method)
    return session


def answered(response):
    body = response.json() if response.content else {}
    if not response.ok:
        raise OAuthError(body.get("error"), body.get("error_description"))
    return body


@app.get("/login")
def login():
    back = url_for("callback", _external=True)
    if not settings.get("pushed"):
        return tenon.authorize_redirect(back, **request.args)
    # Authlib pushes nothing by itself: these are its parameters, and its client authentication, which brings the
    # client_id along.
    begun = tenon.create_authorization_url(back, **request.args)
    tenon.save_authorize_data(redirect_uri=back, **begun)
    parameters = dict(parse_qsl(urlsplit(begun["url"]).query))
    del parameters["client_id"]
    here = session()
    pushed = answered(
        here.post(
            at("pushed_authorization_request_endpoint"),
            data=parameters,
            auth=here.client_auth(authentication),
        )
    )
    query = urlencode({"client_id": settings["client_id"], "request_uri": pushed["request_uri"]})
    return redirect(at("authorization_endpoint") + "?" + query)


@app.route("/callback", methods=["GET", "POST"])
def callback():
    # Checks state, redeems the code, and checks the id token: signature, issuer, audience, nonce and times.
    token = tenon.authorize_access_token()
    claims = token.pop("userinfo")
    return jsonify(claims=claims, userinfo=tenon.userinfo(token=token), tokens=token)


@app.get("/refresh")
def refresh():
    token = session().refresh_token(at("token_endpoint"), refresh_token=request.args["token"])
    return jsonify(claims=tenon.parse_id_token(token, nonce=None), tokens=token)


@app.get("/introspect")
def introspect():
    return jsonify(answered(session().introspect_token(at("introspection_endpoint"), token=request.args["token"])))


@app.get("/revoke")
def revoke():
    return jsonify(answered(session().revoke_token(at("revocation_endpoint"), token=request.args["token"])))


@app.get("/logout")
def logout():
    back = url_for("goodbye", _external=True)
    return tenon.logout_redirect(post_logout_redirect_uri=back, id_token_hint=request.args["id_token"])


@app.get("/goodbye")
def goodbye():
    tenon.validate_logout_response()
    return jsonify()


@app.errorhandler(OAuthError)
def refused(problem):
    return jsonify(error=problem.error, error_description=problem.description, message=str(problem)), 400


threading.Thread(target=server.serve_forever, daemon=True).start()
sys.stdin.read()
