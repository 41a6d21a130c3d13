//! `Idempotency-Key`: a POST that is sent again changes nothing again, and gets the first one's answer.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use poem::{Request, RequestBody};
use poem_openapi::registry::{MetaParamIn, MetaSchema, MetaSchemaRef};
use poem_openapi::{ApiExtractor, ApiExtractorType, ExtractParamOptions};

use super::answer::Answer;
use super::key::{ApiKey, Write};
use super::problem::Problem;
use crate::app::App;
use crate::error::Error;
use crate::model::Timestamp;
use crate::store::Tx;
use crate::store::idempotency::{self, IdempotencyKey, KEPT_FOR, KeptAnswer};

const HEADER: &str = "idempotency-key";
const MAX_KEY: usize = 255;

/// The `Idempotency-Key` of a POST, if it has one.
#[derive(Debug)]
pub(super) struct Once(Option<Presented>);

#[derive(Debug)]
struct Presented {
    key: String,
    request: Vec<u8>,
}

/// Whether this request is the first with its key.
#[expect(
    clippy::large_enum_variant,
    reason = "one per request, matched as soon as it is made"
)]
pub(super) enum Attempt<A> {
    First(Tx, Claim),
    /// The answer that the first one got.
    Again(A),
}

/// The right to answer under a key, held by the transaction that makes the change.
pub(super) struct Claim(Option<IdempotencyKey>);

impl Once {
    /// The kept answer, if there is one. For operations that go to the network before their transaction
    /// opens; the others need only [`Once::begin`].
    pub(super) async fn answered<const STATUS: u16, T>(
        &self,
        app: &App,
        key: &ApiKey<Write>,
    ) -> Result<Option<Answer<STATUS, T>>, Error> {
        let Some(key) = self.key(app, key) else {
            return Ok(None);
        };
        match idempotency::find(&app.store.read(), &key, oldest(app)).await? {
            Some(kept) => open(app, &key, &kept).map(Some),
            None => Ok(None),
        }
    }

    /// Opens the transaction of the change. With a key, the transaction holds it until its end, so that the
    /// same request at the same moment waits and then gets this one's answer.
    pub(super) async fn begin<const STATUS: u16, T>(
        &self,
        app: &App,
        key: &ApiKey<Write>,
    ) -> Result<Attempt<Answer<STATUS, T>>, Error> {
        let tx = app.store.begin().await?;
        let Some(key) = self.key(app, key) else {
            return Ok(Attempt::First(tx, Claim(None)));
        };
        let now = app.clock.now().into();
        match idempotency::claim(&tx, &key, now, oldest(app)).await? {
            None => Ok(Attempt::First(tx, Claim(Some(key)))),
            Some(kept) => {
                // On SQLite the first one's group may not be on disk yet: answer when it is.
                tx.commit().await?;
                open(app, &key, &kept).map(Attempt::Again)
            }
        }
    }

    fn key(&self, app: &App, api_key: &ApiKey<Write>) -> Option<IdempotencyKey> {
        self.0.as_ref().map(|presented| IdempotencyKey {
            api_key: api_key.id(),
            key: presented.key.clone(),
            request_hash: app.vault.hash(&STANDARD.encode(&presented.request)),
        })
    }
}

impl Claim {
    /// Keeps the answer and commits both it and the change.
    pub(super) async fn commit<const STATUS: u16, T>(
        self,
        app: &App,
        tx: Tx,
        answer: Answer<STATUS, T>,
    ) -> Result<Answer<STATUS, T>, Error> {
        if let Some(key) = self.0 {
            let sealed = app
                .vault
                .seal_global(place(&row(&key)), answer.body.as_bytes())?;
            idempotency::keep(&tx, &key, STATUS, sealed).await?;
        }
        tx.commit().await?;
        Ok(answer)
    }
}

fn open<const STATUS: u16, T>(
    app: &App,
    key: &IdempotencyKey,
    kept: &KeptAnswer,
) -> Result<Answer<STATUS, T>, Error> {
    if kept.request_hash != key.request_hash {
        return Err(Error::conflict(
            "idempotency_key_reused",
            "this Idempotency-Key came with another request before",
        ));
    }
    let body = app
        .vault
        .unseal_global(place(&row(key)), &kept.response_sealed)?;
    String::from_utf8(body.expose().clone())
        .map(Answer::kept)
        .map_err(|_| Error::Secret("a kept answer is not text".to_owned()))
}

fn row(key: &IdempotencyKey) -> String {
    format!("{} {}", key.api_key, key.key)
}

fn place(row: &str) -> (&str, &str, &str) {
    ("idempotency_keys", "response_sealed", row)
}

fn oldest(app: &App) -> Timestamp {
    (app.clock.now() - KEPT_FOR).into()
}

impl<'a> ApiExtractor<'a> for Once {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::Parameter];
    type ParamType = String;
    type ParamRawType = String;

    fn param_in() -> Option<MetaParamIn> {
        Some(MetaParamIn::Header)
    }

    fn param_schema_ref() -> Option<MetaSchemaRef> {
        Some(MetaSchemaRef::Inline(Box::new(MetaSchema {
            min_length: Some(1),
            max_length: Some(MAX_KEY),
            ..MetaSchema::new("string")
        })))
    }

    async fn from_request(
        request: &'a Request,
        body: &mut RequestBody,
        _: ExtractParamOptions<String>,
    ) -> poem::Result<Self> {
        let Some(value) = request.headers().get(HEADER) else {
            return Ok(Self(None));
        };
        let key = value
            .to_str()
            .ok()
            .filter(|key| (1..=MAX_KEY).contains(&key.len()))
            .ok_or_else(|| {
                Problem::from(Error::invalid(
                    "Idempotency-Key",
                    format!("1 to {MAX_KEY} visible ASCII characters are wanted"),
                ))
            })?
            .to_owned();
        let bytes = body.take()?.into_bytes().await?;
        let mut request = format!("{} {}\n", request.method(), request.original_uri()).into_bytes();
        request.extend_from_slice(&bytes);
        // The next extractor reads it again.
        *body = RequestBody::new(bytes.into());
        Ok(Self(Some(Presented { key, request })))
    }
}
