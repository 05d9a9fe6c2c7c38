//! Just enough of Rust's grammar to read a file: code apart from comments and literals, code apart
//! from its unit tests, the paths it names, its functions and its tests.

/// A comment of one line, `//` apart.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Comment {
    /// From 1.
    pub(crate) line: usize,
    /// `///` or `//!`: documentation, where examples are welcome.
    pub(crate) doc: bool,
    pub(crate) text: String,
}

/// A source file taken apart. `code` has every character where it was, with comments and the
/// contents of literals blanked, so that lines can be counted in it.
#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) code: String,
    pub(crate) comments: Vec<Comment>,
}

impl Source {
    pub(crate) fn of(text: &str) -> Self {
        let mut lexer = Lexer {
            rest: text,
            code: String::new(),
            comments: Vec::new(),
            line: 1,
        };
        while !lexer.rest.is_empty() {
            lexer.step();
        }
        Self {
            code: lexer.code,
            comments: lexer.comments,
        }
    }

    /// The code without its unit tests: items under `#[cfg(test)]` are blanked too.
    pub(crate) fn product_code(&self) -> String {
        let mut code = self.code.clone();
        while let Some(start) = code.find("#[cfg(test)]") {
            let end = item_end(&code, start);
            let blank: String = blanked(&code[start..end]);
            code.replace_range(start..end, &blank);
        }
        code
    }
}

struct Lexer<'a> {
    rest: &'a str,
    code: String,
    comments: Vec<Comment>,
    line: usize,
}

impl Lexer<'_> {
    fn step(&mut self) {
        if self.rest.starts_with("//") {
            self.line_comment();
        } else if self.rest.starts_with("/*") {
            let length = block_comment_length(self.rest);
            self.blank(length);
        } else if let Some(length) = self.literal_length() {
            self.blank(length);
        } else {
            let length = self.rest.chars().next().map_or(0, char::len_utf8);
            self.keep(length);
        }
    }

    fn line_comment(&mut self) {
        let length = self.rest.find('\n').unwrap_or(self.rest.len());
        let text = &self.rest[2..length];
        let doc = text.starts_with('/') || text.starts_with('!');
        self.comments.push(Comment {
            line: self.line,
            doc,
            text: text.to_owned(),
        });
        self.blank(length);
    }

    /// Length of the string or character literal that starts here, if one does.
    fn literal_length(&self) -> Option<usize> {
        let within_word = self.code.chars().next_back().is_some_and(is_word);
        let after_prefix = self.rest.trim_start_matches(['b', 'c', 'r']);
        let prefix = self.rest.len() - after_prefix.len();
        if prefix <= 2 && !(within_word && prefix > 0) {
            let raw = self.rest[..prefix].ends_with('r');
            let hashes = after_prefix.len() - after_prefix.trim_start_matches('#').len();
            if raw && after_prefix[hashes..].starts_with('"') {
                let close = format!("\"{}", "#".repeat(hashes));
                let body = &after_prefix[hashes + 1..];
                let end = body.find(&close).map_or(body.len(), |at| at + close.len());
                return Some(prefix + hashes + 1 + end);
            }
            if after_prefix.starts_with('"') {
                return Some(prefix + quoted_length(after_prefix, '"'));
            }
        }
        let mut characters = self.rest.chars();
        let opens = characters.next() == Some('\'');
        let (first, second) = (characters.next(), characters.next());
        (opens && (first == Some('\\') || second == Some('\'')))
            .then(|| quoted_length(self.rest, '\''))
    }

    fn keep(&mut self, length: usize) {
        let (taken, rest) = self.rest.split_at(length);
        self.line += taken.matches('\n').count();
        self.code.push_str(taken);
        self.rest = rest;
    }

    fn blank(&mut self, length: usize) {
        let (taken, rest) = self.rest.split_at(length);
        self.line += taken.matches('\n').count();
        self.code.push_str(&blanked(taken));
        self.rest = rest;
    }
}

fn blanked(text: &str) -> String {
    text.chars()
        .map(|c| if c == '\n' { '\n' } else { ' ' })
        .collect()
}

pub(crate) fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// From the opening quote through the closing one, escapes skipped.
fn quoted_length(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if c == quote => return at + c.len_utf8(),
            _ => {}
        }
    }
    text.len()
}

fn block_comment_length(text: &str) -> usize {
    let (mut at, mut depth) = (0, 0_usize);
    while at < text.len() {
        let rest = &text[at..];
        if rest.starts_with("/*") {
            (at, depth) = (at + 2, depth + 1);
        } else if rest.starts_with("*/") {
            (at, depth) = (at + 2, depth - 1);
            if depth == 0 {
                return at;
            }
        } else {
            at += rest.chars().next().map_or(1, char::len_utf8);
        }
    }
    text.len()
}

/// Where the item that starts at `start` ends: after the `;` or the closing brace, whichever the
/// item has.
fn item_end(code: &str, start: usize) -> usize {
    let (mut round_or_square, mut braces) = (0_i32, 0_i32);
    for (at, c) in code[start..].char_indices() {
        match c {
            '(' | '[' => round_or_square += 1,
            ')' | ']' => round_or_square -= 1,
            '{' => braces += 1,
            '}' => braces -= 1,
            _ => {}
        }
        let closed = c == '}' && braces == 0 || c == ';' && braces == 0 && round_or_square == 0;
        if closed {
            return start + at + 1;
        }
    }
    code.len()
}

pub(crate) fn line_of(code: &str, at: usize) -> usize {
    code[..at].matches('\n').count() + 1
}

/// Every path named in `code`, such as `crate::message::id::UnitId`, with its line; a group in
/// braces counts as one path for each of its members. A plain word is a path of one segment.
pub(crate) fn paths(code: &str) -> Vec<(usize, String)> {
    // First with their places: to count lines anew for each would read a file once for each path.
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(c) = code[at..].chars().next() {
        if is_word(c) {
            at = path_from(code, at, "", &mut found);
        } else {
            at += c.len_utf8();
        }
    }
    let line_ends: Vec<usize> = code.match_indices('\n').map(|(at, _)| at).collect();
    let line = |at: usize| 1 + line_ends.partition_point(|end| *end < at);
    let found = found.into_iter();
    found.map(|(at, path)| (line(at), path)).collect()
}

/// Reads the path at `start`, pushes it (or its group's members), and says where it ends.
fn path_from(code: &str, start: usize, prefix: &str, found: &mut Vec<(usize, String)>) -> usize {
    let word_end = code[start..]
        .find(|c| !is_word(c))
        .map_or(code.len(), |end| start + end);
    let path = format!("{prefix}{}", &code[start..word_end]);
    match code[word_end..].strip_prefix("::") {
        Some(next) if next.starts_with(is_word) => {
            path_from(code, word_end + 2, &format!("{path}::"), found)
        }
        Some(next) if next.starts_with('{') => {
            group_from(code, word_end + 3, &format!("{path}::"), found)
        }
        _ => {
            found.push((start, path));
            word_end
        }
    }
}

fn group_from(code: &str, start: usize, prefix: &str, found: &mut Vec<(usize, String)>) -> usize {
    let mut at = start;
    while let Some(c) = code[at..].chars().next() {
        match c {
            '}' => return at + 1,
            // The new name is nobody's path.
            _ if code[at..].starts_with("as ") => {
                at = code[at..]
                    .find([',', '}'])
                    .map_or(code.len(), |end| at + end);
            }
            _ if is_word(c) => at = path_from(code, at, prefix, found),
            _ => at += c.len_utf8(),
        }
    }
    at
}

/// Line, name and length in lines (signature through closing brace) of each function with a body.
pub(crate) fn functions(code: &str) -> Vec<(usize, String, usize)> {
    let mut found = Vec::new();
    for (at, _) in code.match_indices("fn ") {
        let starts_a_word = !code[..at].chars().next_back().is_some_and(is_word);
        let name: String = code[at + 3..].chars().take_while(|&c| is_word(c)).collect();
        let end = item_end(code, at);
        if starts_a_word && !name.is_empty() && code[..end].ends_with('}') {
            let first = line_of(code, at);
            found.push((first, name, line_of(code, end) + 1 - first));
        }
    }
    found
}

/// The names of the functions under `#[test]` (or `#[tokio::test]`), `proptest!`'s among them.
pub(crate) fn tests(code: &str) -> Vec<String> {
    let mut found = Vec::new();
    for attribute in ["#[test]", "#[tokio::test"] {
        for (at, _) in code.match_indices(attribute) {
            if let Some((_, after)) = code[at..].split_once("fn ") {
                found.push(after.chars().take_while(|&c| is_word(c)).collect());
            }
        }
    }
    found
}

#[test]
fn comments_and_literals_are_no_code() {
    let source = Source::of(concat!(
        "let a = \"tokio // no\\\" comment\"; // async\n",
        "let b = r#\"std::fs \"quoted\" \"#; /* HashMap /* nested */ Instant */ let c = '\"';\n",
        "fn f<'a>(x: &'a str) -> char { '\\'' } //! doc\n",
        "let word_r = b\"bytes\";\n",
    ));
    for hidden in ["tokio", "std::fs", "HashMap", "Instant", "async", "bytes"] {
        assert!(!source.code.contains(hidden), "{hidden} in {}", source.code);
    }
    for kept in ["let c =", "fn f<'a>(x: &'a str) -> char {", "let word_r ="] {
        assert!(
            source.code.contains(kept),
            "{kept} missing from {}",
            source.code
        );
    }
    assert_eq!(source.code.lines().count(), 4);
    let comments: Vec<_> = source
        .comments
        .iter()
        .map(|c| (c.line, c.doc, c.text.trim()))
        .collect();
    assert_eq!(comments, [(1, false, "async"), (3, true, "! doc")]);
}

#[test]
fn unit_tests_are_apart_from_product_code() {
    let text = "use a;\n#[cfg(test)]\nuse b;\n#[cfg(test)]\nmod tests {\n fn c() { {} }\n}\nuse d;";
    let code = Source::of(text).product_code();
    assert_eq!(
        code.split_whitespace().collect::<Vec<_>>(),
        ["use", "a;", "use", "d;"]
    );
    assert_eq!(code.lines().count(), text.lines().count());
}

#[test]
fn grouped_uses_are_paths_of_their_own() {
    let code = "use crate::{message::id::{A, B},\n policy::C as D};\nlet x = std::fs::read(y);";
    let named: Vec<_> = paths(code)
        .into_iter()
        .filter(|(_, path)| path.contains("::"))
        .collect();
    let expected = [
        (1, "crate::message::id::A"),
        (1, "crate::message::id::B"),
        (2, "crate::policy::C"),
        (3, "std::fs::read"),
    ];
    assert_eq!(named, expected.map(|(line, path)| (line, path.to_owned())));
}

#[test]
fn a_function_is_measured_from_its_signature_to_its_brace() {
    let code = "trait T { fn none(&self); }\nfn one() -> [u8; 2] {\n  a;\n}\nfn two() {}";
    assert_eq!(
        functions(code),
        [(2, "one".to_owned(), 3), (5, "two".to_owned(), 1)]
    );
}

#[test]
fn tests_are_known_by_their_attribute() {
    let code = "#[test]\nfn a_b() {}\n#[tokio::test(flavor = 1)]\nasync fn c() {}\nfn d() {}";
    assert_eq!(tests(code), ["a_b", "c"]);
}
