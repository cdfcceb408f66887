//! What can be wrong with a configuration that could be read.
#![forbid(unsafe_code)]

use crate::cli::expression::ExpressionError;
use crate::cli::metrics::configuration::Action;

/// Why a configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CompileError {
    /// A rule makes no sense.
    #[error("rule {number} ({metric:?}): {error}")]
    Rule {
        /// Counted from 1, in the order of the file.
        number: usize,
        /// The metric that it names.
        metric: String,
        /// What is wrong with it.
        error: RuleError,
    },
    /// All expressions together are too much.
    #[error("the expressions of all rules together: {0}")]
    Expressions(#[from] regex::Error),
    /// A limit that would make every series an overflow.
    #[error("limits: {0} must be at least {1}")]
    Limit(&'static str, usize),
}

/// What is wrong with a rule.
#[derive(Debug, thiserror::Error)]
pub enum RuleError {
    /// Not a name of a metric.
    #[error("a metric's name is letters, digits and underscores, and does not begin with a digit")]
    Name,
    /// A name that means something else.
    #[error("the name is taken: {0}")]
    Taken(&'static str),
    /// The same name with another meaning.
    #[error("an earlier rule has given this metric another type, other labels or other buckets")]
    Inconsistent,
    /// The exposition could not hold it.
    #[error("help is one line")]
    Help,
    /// An expression that cannot be used.
    #[error("{key}: {error}")]
    Expression {
        /// Where it stands.
        key: &'static str,
        /// What is wrong.
        error: ExpressionError,
    },
    /// Names of hosts or programs that are too much.
    #[error("host or program: {0}")]
    Names(regex::Error),
    /// A priority that cannot be read.
    #[error("priority: {0}")]
    Priority(String),
    /// Not a name of a label.
    #[error(
        "{0:?} cannot be a label's name: letters, digits and underscores, no digit first, no two underscores first"
    )]
    Label(String),
    /// Each name once.
    #[error("the label {0:?} is there twice")]
    LabelTwice(String),
    /// A histogram has it already.
    #[error("a histogram's buckets have the label \"le\" already")]
    BucketLabel,
    /// A label's or value's source that does not exist.
    #[error("{what} {name:?} is neither one of {known} nor a named group of match{groups}")]
    Source {
        /// `label` or `value`.
        what: &'static str,
        /// What was written.
        name: String,
        /// What there is always.
        known: &'static str,
        /// The groups, if any.
        groups: String,
    },
    /// A value is missing or too much.
    #[error("{0}")]
    Value(&'static str),
    /// Not a factor.
    #[error("scale {0} is not a finite number other than 0")]
    Scale(f64),
    /// Not buckets.
    #[error("buckets are finite numbers, each larger than the one before, and at least one")]
    Buckets,
    /// What the type cannot do.
    #[error("action \"{action}\" is not one of {accepted}")]
    Action {
        /// What was written.
        action: Action,
        /// What there is for the type.
        accepted: &'static str,
    },
    /// Not a limit.
    #[error("series must be at least 1")]
    Series,
}
