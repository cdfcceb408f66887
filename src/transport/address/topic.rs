//! Topic lists of PUB, RADIO, SUB and DISH.

/// The longest topic in bytes.
pub const LONGEST: usize = 255;

/// Why a topic list is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TopicError {
    /// Two commas in a row, or one at either end.
    #[error("topics \"{list}\" has an empty element (number {position}); an empty topic can only be the whole list")]
    Empty {
        /// The list.
        list: String,
        /// Which element, counted from 1.
        position: usize,
    },
    /// A topic over [`LONGEST`].
    #[error(
        "configured topic exceeds maximum supported length of {LONGEST} bytes: it has {length}, and begins with \"{start}\""
    )]
    TooLong {
        /// Its length in bytes.
        length: usize,
        /// Its first characters.
        start: String,
    },
}

/// Splits a comma-separated list. White space around an element is dropped, inside it is kept. A list that is empty as a
/// whole is the one empty topic.
pub fn parse_list(list: &str) -> Result<Vec<String>, TopicError> {
    if list.trim().is_empty() {
        return Ok(vec![String::new()]);
    }
    list.split(',')
        .enumerate()
        .map(|(index, topic)| {
            let topic = topic.trim();
            if topic.is_empty() {
                return Err(TopicError::Empty { list: list.to_owned(), position: index + 1 });
            }
            if topic.len() > LONGEST {
                let start = topic.chars().take(20).collect();
                return Err(TopicError::TooLong { length: topic.len(), start });
            }
            Ok(topic.to_owned())
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_split_at_commas() {
        assert_eq!(parse_list("web1.nginx, web2.nginx").unwrap(), ["web1.nginx", "web2.nginx"]);
        assert_eq!(parse_list("<").unwrap(), ["<"]);
        assert_eq!(parse_list("").unwrap(), [""]);
    }

    #[test]
    fn an_empty_element_is_refused_wherever_it_is() {
        for (list, position) in [("aa,,bb", 2), (",a", 1), ("a,", 2), ("a, ,b", 2)] {
            assert_eq!(parse_list(list).unwrap_err(), TopicError::Empty { list: list.into(), position });
        }
    }

    #[test]
    fn the_length_limit_is_255_bytes() {
        assert!(parse_list(&"t".repeat(255)).is_ok());
        let error = parse_list(&format!("ok,{}", "t".repeat(256))).unwrap_err();
        assert!(error.to_string().starts_with("configured topic exceeds maximum supported length of 255 bytes"));
    }
}
