//! The description of the API, made from the routes themselves.

use utoipa::openapi::path::{Operation, Parameter, ParameterBuilder, ParameterIn, PathItem};
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa::openapi::{
    Components, ContentBuilder, Info, OpenApi, OpenApiBuilder, Ref, RefOr, Response,
    ResponseBuilder, SecurityRequirement,
};
use utoipa::{PartialSchema, ToSchema};

use super::error::{ErrorBody, FieldError};
use super::once;
use crate::base::page::Order;

/// What every operation may answer besides its own: status and meaning.
const COMMON: &[(&str, &str)] = &[
    ("400", "The request is malformed, or breaks a rule that WorkOS answers so."),
    ("401", "The API key is missing, unknown, expired or revoked."),
    ("403", "The API key may only read."),
    ("404", "There is no such thing in this environment."),
    ("422", "A member of the request breaks a rule."),
    ("429", "Too many requests: see Retry-After."),
    ("500", "A fault of ours."),
    ("503", "Temporarily unavailable: see Retry-After."),
];

/// The document without its routes.
pub(super) fn frame() -> OpenApi {
    let mut info = Info::new("Vestibule", env!("CARGO_PKG_VERSION"));
    info.description = Some(
        "Enterprise single sign-on that you run yourself, with the WorkOS API. \
         What WorkOS does not have says so."
            .to_owned(),
    );
    let bearer = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
    let mut components = Components::new();
    components.schemas.insert(ErrorBody::name().into_owned(), ErrorBody::schema());
    components.schemas.insert(FieldError::name().into_owned(), FieldError::schema());
    // Used by parameters only, which bring no schemas along.
    components.schemas.insert(Order::name().into_owned(), Order::schema());
    components.add_security_scheme("api_key", bearer);
    OpenApiBuilder::new()
        .info(info)
        .components(Some(components))
        .security(Some([SecurityRequirement::new("api_key", Vec::<String>::new())]))
        .build()
}

/// The finished document, as JSON.
pub(super) fn text(mut document: OpenApi) -> String {
    for (path, item) in &mut document.paths.paths {
        for (method, operation) in operations(item) {
            operation.operation_id = Some(operation_id(method, path));
            if method == "post" && !once::ONLY_LOOK.contains(&path.as_str()) {
                operation.parameters.get_or_insert_default().push(RefOr::T(idempotency_key()));
            }
            add_common_responses(operation);
        }
    }
    document.to_json().unwrap_or_else(|error| {
        tracing::error!(%error, "the description of the API cannot be written");
        "{}".to_owned()
    })
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = (&'static str, &mut Operation)> {
    [
        ("get", &mut item.get),
        ("post", &mut item.post),
        ("put", &mut item.put),
        ("patch", &mut item.patch),
        ("delete", &mut item.delete),
    ]
    .into_iter()
    .filter_map(|(method, operation)| Some((method, operation.as_mut()?)))
}

/// Handlers of different files have the same names, so the path says which is which:
/// `get_connections_id`.
fn operation_id(method: &str, path: &str) -> String {
    let words = path.split(['/', '{', '}']).filter(|word| !word.is_empty());
    [method].into_iter().chain(words).collect::<Vec<_>>().join("_")
}

fn add_common_responses(operation: &mut Operation) {
    for (status, meaning) in COMMON {
        let responses = &mut operation.responses.responses;
        responses.entry((*status).to_owned()).or_insert_with(|| RefOr::T(error(meaning)));
    }
}

/// The header that every POST may have.
fn idempotency_key() -> Parameter {
    ParameterBuilder::new()
        .name("Idempotency-Key")
        .parameter_in(ParameterIn::Header)
        .description(Some(
            "Any text. For 24 hours, the same request with it gets the same answer and does \
             nothing again; another request with it is refused with 422.",
        ))
        .schema(Some(String::schema()))
        .build()
}

fn error(meaning: &str) -> Response {
    let schema = Ref::from_schema_name(ErrorBody::name());
    let content = ContentBuilder::new().schema(Some(schema)).build();
    ResponseBuilder::new().description(meaning).content("application/json", content).build()
}
