//! The OpenAPI document: made of the handlers themselves, with what all of them share.

use utoipa::openapi::path::{Operation, Parameter, PathItem};
use utoipa::openapi::schema::{ArrayItems, ObjectBuilder, OneOfBuilder, Schema, Type};
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{
    ComponentsBuilder, ContentBuilder, Header, HeaderBuilder, InfoBuilder, OpenApi, Ref, RefOr,
    Response, ResponseBuilder,
};

use super::wire::{ErrorBody, words};

/// What may go wrong with every request under `/api/`.
const COMMON: [(&str, &str); 11] = [
    ("400", "The request makes no sense"),
    ("401", "There is no token, or it is not good"),
    ("403", "The client may not do that"),
    ("404", "There is no such thing"),
    ("408", "The body did not arrive in time"),
    ("413", "The body is too large"),
    ("414", "The address is too long"),
    ("415", "The body is of the wrong type, or packed"),
    ("429", "Too many requests; see Retry-After"),
    ("431", "The headers are too large"),
    ("503", "The service is not available"),
];
/// Of those, what may go wrong where no token is needed.
const OPEN: [&str; 8] = ["400", "401", "404", "408", "413", "414", "415", "431"];
/// Of those, what the control plane refuses with.
const CONTROL: [&str; 8] = ["400", "403", "404", "408", "413", "414", "415", "431"];
/// Refusals before it is known whose window a request would count in.
const UNCOUNTED: [&str; 3] = ["401", "414", "431"];
const CORRELATION: (&str, &str) = ("ININ-Correlation-Id", "The request's own id");
const USAGE: [(&str, &str); 3] = [
    ("inin-ratelimit-count", "Requests in this window"),
    ("inin-ratelimit-allowed", "Requests that a window allows"),
    ("inin-ratelimit-reset", "Seconds to the window's end"),
];

/// Writes down what all operations share. It covers what the document has by then.
pub(super) fn finish(mut document: OpenApi) -> OpenApi {
    document.info = InfoBuilder::new()
        .title("racegate mock Recording API")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(
            "The v2 Recording API as far as it is known, and the forum threads' dialect. What is \
             tagged `admin` is the mock's own control plane, for callers on its machine.",
        ))
        .build();
    let components = document.components.take().unwrap_or_default();
    let scheme = |scheme| SecurityScheme::Http(Http::new(scheme));
    let components = ComponentsBuilder::from(components)
        .schema_from::<ErrorBody>()
        // Of parameters only, which the handlers' own collection passes over.
        .schema_from::<words::MediaFormat>()
        .schema_from::<words::EmailFormat>()
        .schema_from::<words::ArchiveFormat>()
        .schema_from::<words::ForumSource>()
        .schema_from::<words::JobSort>()
        .schema_from::<words::JobState>()
        .schema_from::<words::JobAction>()
        .schema_from::<words::ChannelScope>()
        .schema_from::<words::ConnectionType>()
        .schema_from::<words::TopicExpand>()
        .schema_from::<words::UserExpand>()
        .schema_from::<words::OrphanMedia>()
        .security_scheme("token", scheme(HttpAuthScheme::Bearer))
        .security_scheme("client", scheme(HttpAuthScheme::Basic));
    document.components = Some(components.build());
    for (path, item) in &mut document.paths.paths {
        let kind = if path.starts_with("/api/") {
            Kind::Guarded
        } else if super::admin::is_admin(path) {
            Kind::Control
        } else {
            Kind::Open
        };
        for (method, operation) in operations(item) {
            operation.operation_id = Some(name(method, path));
            operation
                .parameters
                .iter_mut()
                .flatten()
                .for_each(allow_none);
            complete(operation, kind);
        }
    }
    document
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// It needs a token.
    Guarded,
    /// It answers to callers on its own machine.
    Control,
    Open,
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = (&'static str, &mut Operation)> {
    [
        ("get", &mut item.get),
        ("put", &mut item.put),
        ("post", &mut item.post),
        ("delete", &mut item.delete),
        ("head", &mut item.head),
        ("patch", &mut item.patch),
    ]
    .into_iter()
    .filter_map(|(method, operation)| Some((method, operation.as_mut()?)))
}

/// A name like those of the SDKs: `getRecordingJobsJobId`.
fn name(method: &str, path: &str) -> String {
    let path = path.strip_prefix("/api/v2").unwrap_or(path);
    let words = path.split(['/', '{', '}', '.', '_']);
    words.fold(method.to_owned(), |mut name, word| {
        let mut letters = word.chars();
        name.extend(letters.next().map(|first| first.to_ascii_uppercase()));
        name.push_str(letters.as_str());
        name
    })
}

/// A list that has nothing in it is written as an empty text, as the SDKs do.
fn allow_none(parameter: &mut RefOr<Parameter>) {
    let RefOr::T(parameter) = parameter else {
        return;
    };
    let Some(RefOr::T(Schema::Array(list))) = &mut parameter.schema else {
        return;
    };
    if let ArrayItems::RefOrSchema(item) = &mut list.items {
        let nothing = ObjectBuilder::new()
            .schema_type(Type::String)
            .max_length(Some(0));
        let either = OneOfBuilder::new().item((**item).clone()).item(nothing);
        **item = RefOr::T(Schema::OneOf(either.build()));
    }
}

fn complete(operation: &mut Operation, kind: Kind) {
    if kind == Kind::Guarded && operation.security.is_none() {
        let token = SecurityRequirement::new("token", Vec::<String>::new());
        operation.security = Some(vec![token]);
    }
    let responses = &mut operation.responses.responses;
    for (status, description) in COMMON {
        let may = match kind {
            Kind::Guarded => true,
            Kind::Control => CONTROL.contains(&status),
            Kind::Open => OPEN.contains(&status),
        };
        if may {
            responses
                .entry(status.to_owned())
                .or_insert_with(|| RefOr::T(refusal(description)));
        }
    }
    for (status, response) in responses.iter_mut() {
        let RefOr::T(response) = response else {
            continue;
        };
        let text = |(name, about)| (name, header(Type::String, about));
        let number = |(name, about)| (name, header(Type::Integer, about));
        let mut headers = vec![text(CORRELATION)];
        if kind == Kind::Guarded && !UNCOUNTED.contains(&status.as_str()) {
            headers.extend(USAGE.map(number));
        }
        for (name, header) in headers {
            response.headers.insert(name.to_owned(), RefOr::T(header));
        }
    }
}

fn refusal(description: &str) -> Response {
    let body = Ref::from_schema_name("ErrorBody");
    let content = ContentBuilder::new().schema(Some(body)).build();
    ResponseBuilder::new()
        .description(description)
        .content("application/json", content)
        .build()
}

fn header(kind: Type, about: &str) -> Header {
    let schema = ObjectBuilder::new().schema_type(kind).build();
    HeaderBuilder::new()
        .schema(Some(schema))
        .description(Some(about))
        .build()
}
