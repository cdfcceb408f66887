use super::*;

use std::time::Instant;

use crate::cli::metrics::series::SeriesValue;

fn configuration(text: &str) -> Configuration {
    toml::from_str(text).unwrap_or_else(|error| panic!("{error}"))
}

fn compiled(text: &str) -> Compiled {
    compile(&configuration(text)).unwrap_or_else(|error| panic!("{error}"))
}

/// The series of a metric after some records, as `a,b 1`.
fn series(text: &str, records: &[&str]) -> Vec<String> {
    let Compiled { mut rules, mut store, .. } = compiled(text);
    for record in records {
        rules.apply(None, record.as_bytes(), Instant::now(), &mut store);
    }
    let one = |series: &crate::cli::metrics::series::Series| match &series.value {
        SeriesValue::Number(number) => format!("{} {number}", series.labels.join(",")),
        SeriesValue::Histogram(counts, sum) => format!("{} {counts:?} {sum}", series.labels.join(",")),
    };
    store.metrics().iter().flat_map(|metric| metric.sorted().into_iter().map(one).collect::<Vec<_>>()).collect()
}

const NGINX: &str = "web1.nginx<13>Oct 11 22:14:15 web1 nginx[1]: GET /a 200 in 12ms, 3.4 KiB";

#[test]
fn labels_come_from_the_record_and_from_captures() {
    let text = r#"
        [[rule]]
        metric = "requests_total"
        type = "counter"
        match = '(?P<method>[A-Z]+) \S+ (?P<status>\d+)'
        labels = ["topic", "host", "program", "severity", "facility", "method", "status"]"#;
    assert_eq!(series(text, &[NGINX, NGINX]), ["web1.nginx,web1,nginx,notice,user,GET,200 2"]);
    let text = r#"
        [[rule]]
        metric = "requests"
        type = "counter"
        match = '(?P<host>GET)|(?P<other>POST)'
        labels = { a = "other", b = "host", c = "program" }"#;
    assert_eq!(series(text, &[NGINX]), [",GET,nginx 1"]);
}

#[test]
fn values_have_units_and_a_scale() {
    let text = r#"
        [[rule]]
        metric = "time_milliseconds"
        type = "gauge"
        match = 'in (?P<time>\S+),'
        value = "time"
        scale = 1000
        [[rule]]
        metric = "size_bytes"
        type = "histogram"
        match = ', (?P<size>.*)'
        value = "size"
        unit = "bytes"
        buckets = [1000, 5000]"#;
    assert_eq!(series(text, &[NGINX]), [" 12", " [0, 1, 0] 3481.6"]);
}

#[test]
fn a_value_that_is_no_number_or_negative_for_a_counter_is_counted_as_an_error() {
    let text = r#"
        [[rule]]
        metric = "bytes_total"
        type = "counter"
        match = 'sent (?P<bytes>\S+)'
        value = "bytes""#;
    let Compiled { mut rules, mut store, .. } = compiled(text);
    for record in ["sent 5", "sent x", "sent -5", "received 5"] {
        rules.apply(None, record.as_bytes(), Instant::now(), &mut store);
    }
    let tally = &rules.tallies()[0];
    assert_eq!((tally.name.as_str(), tally.matches, tally.value_errors), ("bytes_total", 3, 2));
    assert_eq!(store.metrics()[0].sorted()[0].value, SeriesValue::Number(5.0));
}

#[test]
fn a_rule_applies_where_all_its_conditions_hold() {
    let rule = |conditions: &str| format!("[[rule]]\nmetric = \"m\"\ntype = \"counter\"\n{conditions}\n");
    for (conditions, matches) in [
        ("topic = \"web1.\"", true),
        ("topic = [\"db\", \"web\"]", true),
        ("topic = \"web2\"", false),
        ("host = \"web*\"", true),
        ("host = \"db*\"", false),
        ("program = [\"sshd\", \"nginx\"]", true),
        ("priority = \"notice\"", true),
        ("priority = \"err\"", false),
        ("include = [\"POST\", \"GET\"]", true),
        ("include = \"POST\"", false),
        ("exclude = \"GET\"", false),
        ("exclude = \"POST\"", true),
        ("match = \"^GET\"\nexclude = \"KiB\"", false),
        ("match = \"^GET\"\ninclude = \"KiB$\"\nhost = \"web1\"", true),
        ("match = \"web1\"", false),
    ] {
        assert_eq!(!series(&rule(conditions), &[NGINX]).is_empty(), matches, "{conditions}");
    }
}

#[test]
fn several_rules_may_feed_one_metric() {
    let text = r#"
        [[rule]]
        metric = "sessions"
        type = "gauge"
        match = 'opened for (?P<user>\w+)'
        labels = ["user"]
        action = "inc"
        [[rule]]
        metric = "sessions"
        type = "gauge"
        match = 'closed for (?P<user>\w+)'
        labels = ["user"]
        action = "dec""#;
    let records = ["opened for a", "opened for b", "opened for a", "closed for b"];
    assert_eq!(series(text, &records), ["a 2", "b 0"]);
    let names: Vec<String> = compiled(text).rules.tallies().iter().map(|tally| tally.name.clone()).collect();
    assert_eq!(names, ["sessions", "sessions/2"]);
}

#[test]
fn subscriptions_follow_from_the_rules() {
    let prefixes = |text: &str| {
        let text = compiled(text).prefixes;
        text.into_iter().map(|prefix| String::from_utf8(prefix).unwrap()).collect::<Vec<_>>()
    };
    let rule = |topic: &str| format!("[[rule]]\nmetric = \"m\"\ntype = \"counter\"\n{topic}\n");
    let two = rule("topic = [\"web1.nginx\", \"db\"]") + &rule("topic = \"web\"");
    assert_eq!(prefixes(&two), ["db", "web"]);
    assert_eq!(prefixes(&(two.clone() + &rule(""))), Vec::<String>::new(), "one that wants everything gets it");
    assert_eq!(prefixes(&format!("topics = \"x\"\n{two}")), ["x"]);
    assert_eq!(prefixes(""), Vec::<String>::new());
    assert_eq!(prefixes(&format!("built-ins = true\n{two}")), Vec::<String>::new());
}

#[test]
fn without_rules_there_are_the_built_in_metrics() {
    let found = series("", &[NGINX, "plain"]);
    assert_eq!(found[..2], [",, 1", "nginx,notice,user 1"]);
    assert!(found[3].starts_with("web1 1"), "{found:?}");
}

#[test]
fn what_is_wrong_with_a_rule_is_said() {
    for (rule, text) in [
        ("metric = \"9\"\ntype = \"counter\"", "rule 1 (\"9\"): a metric's name is letters"),
        ("metric = \"rsyslog_zmq_x\"\ntype = \"gauge\"", "the program's own metrics"),
        ("metric = \"m_total\"\ntype = \"gauge\"\nvalue = \"now\"", "_total ends the names of counters"),
        ("metric = \"m\"\ntype = \"counter\"\nmatch = \"(\"", "match: \"(\" is not a regular expression"),
        ("metric = \"m\"\ntype = \"counter\"\nexclude = \"(\"", "exclude: \"(\" is not a regular expression"),
        ("metric = \"m\"\ntype = \"counter\"\npriority = \"grave\"", "severity \"grave\" is not one of"),
        ("metric = \"m\"\ntype = \"counter\"\nlabels = [\"hots\"]", "label \"hots\" is neither one of topic, host"),
        (
            "metric = \"m\"\ntype = \"counter\"\nmatch = \"(?P<a>x)\"\nlabels = [\"b\"]",
            "nor a named group of match (a)",
        ),
        ("metric = \"m\"\ntype = \"counter\"\nlabels = { __x = \"host\" }", "\"__x\" cannot be a label's name"),
        ("metric = \"m\"\ntype = \"counter\"\nlabels = [\"host\", \"host\"]", "\"host\" is there twice"),
        ("metric = \"m\"\ntype = \"counter\"\nvalue = \"x\"", "value \"x\" is neither one of now"),
        ("metric = \"m\"\ntype = \"counter\"\naction = \"dec\"", "action \"dec\" is not one of inc, add"),
        ("metric = \"m\"\ntype = \"gauge\"\naction = \"set\"", "set, add, sub, min and max need a value"),
        ("metric = \"m\"\ntype = \"gauge\"\naction = \"inc\"\nvalue = \"now\"", "inc and dec take no value"),
        ("metric = \"m\"\ntype = \"histogram\"", "a histogram needs a value"),
        ("metric = \"m\"\ntype = \"histogram\"\nvalue = \"now\"\naction = \"set\"", "a histogram only observes"),
        ("metric = \"m\"\ntype = \"histogram\"\nvalue = \"now\"\nbuckets = [2, 1]", "each larger than the one before"),
        ("metric = \"m\"\ntype = \"histogram\"\nvalue = \"now\"\nlabels = { le = \"host\" }", "\"le\" already"),
        ("metric = \"m\"\ntype = \"gauge\"\nvalue = \"now\"\nbuckets = [1]", "only a histogram has buckets"),
        ("metric = \"m\"\ntype = \"counter\"\nscale = 2", "scale and unit need a value"),
        ("metric = \"m\"\ntype = \"counter\"\nmatch = \"(?P<a>x)\"\nvalue = \"a\"\nscale = 0", "scale 0 is not"),
        ("metric = \"m\"\ntype = \"counter\"\nseries = 0", "series must be at least 1"),
        ("metric = \"m\"\ntype = \"counter\"\nhelp = \"a\\nb\"", "help is one line"),
        (
            "metric = \"m\"\ntype = \"counter\"\n[[rule]]\nmetric = \"m\"\ntype = \"gauge\"",
            "rule 2 (\"m\"): an earlier rule has given this metric another type",
        ),
        (
            "metric = \"m\"\ntype = \"histogram\"\nvalue = \"now\"\n[[rule]]\nmetric = \"m_count\"\ntype = \"gauge\"",
            "the name is taken",
        ),
    ] {
        let error = compile(&configuration(&format!("[[rule]]\n{rule}"))).unwrap_err().to_string();
        assert!(error.contains(text), "{rule}\n{error}");
    }
    let error = compile(&configuration("[limits]\nseries = 0")).unwrap_err().to_string();
    assert_eq!(error, "limits: series must be at least 1");
}
