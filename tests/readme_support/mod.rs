//! What the documentation's tables are made with.

mod examples;

use rsyslog_zmq::host::parameters::{Kind, Parameter, Scope};
use rsyslog_zmq::modules;

/// The three tables, each with the document it belongs to. `module()` is the same for both modules.
pub fn tables() -> [(&'static str, &'static Scope); 4] {
    [
        ("docs/imczmq.md", &modules::settings::MODULE_SCOPE),
        ("docs/imczmq.md", &modules::imczmq::settings::SCOPE),
        ("docs/omczmq.md", &modules::settings::MODULE_SCOPE),
        ("docs/omczmq.md", &modules::omczmq::settings::SCOPE),
    ]
}

/// An example of a parameter's value; `None` where the table of examples has none.
pub fn example(scope: &Scope, parameter: &Parameter) -> Option<&'static str> {
    let of_scope = examples::EXAMPLES.iter().find(|(place, name, _)| *place == scope.name && *name == parameter.name);
    let of_all = || examples::EXAMPLES.iter().find(|(place, name, _)| place.is_empty() && *name == parameter.name);
    of_scope.or_else(of_all).map(|(_, _, value)| *value)
}

/// rsyslog's name for the type of a value.
fn type_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Text => "string",
        Kind::Word(_) => "word",
        Kind::Switch => "binary",
        Kind::Integer { .. } => "integer",
        Kind::FileMode => "octal",
        Kind::Size { .. } => "size",
    }
}

/// What is accepted, shortly: the type says the rest.
fn range(parameter: &Parameter) -> String {
    let range = match parameter.kind {
        Kind::Text => String::new(),
        Kind::Word(words) => words.join(", "),
        Kind::Switch => "on, off".to_owned(),
        Kind::Integer { least, most } => format!("{least} .. {most}"),
        Kind::FileMode => "three or four octal digits".to_owned(),
        Kind::Size { least, most } => format!("{} .. {} bytes", size(least), size(most)),
    };
    if parameter.unit.is_empty() { range } else { format!("{range} {}", parameter.unit) }
}

/// A size in rsyslog's way of writing, where it is a round one.
fn size(bytes: i64) -> String {
    match bytes {
        bytes if bytes >= 1 << 30 && bytes % (1 << 30) == 0 => format!("{}g", bytes >> 30),
        bytes if bytes >= 1 << 20 && bytes % (1 << 20) == 0 => format!("{}m", bytes >> 20),
        bytes if bytes >= 1 << 10 && bytes % (1 << 10) == 0 => format!("{}k", bytes >> 10),
        bytes => bytes.to_string(),
    }
}

/// A scope's table in Markdown.
pub fn markdown(scope: &Scope) -> String {
    let mut table = String::from(
        "| parameter | type | default | values | meaning | example |\n\
         |---|---|---|---|---|---|\n",
    );
    for parameter in scope.all() {
        let Parameter { name, default, help, .. } = parameter;
        let default = if parameter.is_required { "required" } else { default };
        let (kind, range) = (type_name(parameter.kind), range(parameter));
        let example = example(scope, parameter).unwrap_or_default();
        table.push_str(&format!("| `{name}` | {kind} | {default} | {range} | {help} | `{name}=\"{example}\"` |\n"));
    }
    table
}
