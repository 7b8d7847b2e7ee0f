//! Rust cut into tokens, so that comments and strings are not taken for code.

/// A piece of Rust that is neither a comment nor a string.
pub(crate) struct Token<'a> {
    pub(crate) text: &'a str,
    pub(crate) line: usize,
    /// The number of modules that are open around it within the file.
    pub(crate) inline_modules: usize,
}

pub(crate) fn tokens(text: &str) -> Vec<Token<'_>> {
    let mut tokens = Vec::new();
    let (mut rest, mut line) = (text, 1);
    while let Some(first) = rest.chars().next() {
        let (length, is_code) = piece(rest, first);
        let (text, after) = rest.split_at(length);
        if is_code {
            tokens.push(Token {
                text,
                line,
                inline_modules: 0,
            });
        }
        line += text.matches('\n').count();
        rest = after;
    }
    mark_scopes(&mut tokens);
    tokens
}

/// The length of the piece that `rest` begins with, and whether it is code.
fn piece(rest: &str, first: char) -> (usize, bool) {
    let is_word = |character: char| character.is_alphanumeric() || character == '_';
    let word = rest
        .find(|character| !is_word(character))
        .unwrap_or(rest.len());
    let after_word = rest[word..].trim_start_matches('#');
    if rest.starts_with("//") {
        (rest.find('\n').unwrap_or(rest.len()), false)
    } else if rest.starts_with("/*") {
        (block_comment(rest), false)
    } else if matches!(&rest[..word], "r" | "br" | "cr") && after_word.starts_with('"') {
        let hashes = rest.len() - word - after_word.len();
        let end = format!("\"{}", "#".repeat(hashes));
        let start = word + hashes + 1;
        let length = rest[start..]
            .find(&end)
            .map_or(rest.len(), |at| start + at + end.len());
        (length, false)
    } else if matches!(&rest[..word], "" | "b" | "c") && rest[word..].starts_with('"') {
        (word + quoted(&rest[word..], '"'), false)
    } else if matches!(&rest[..word], "" | "b") && rest[word..].starts_with('\'') {
        let mut characters = rest[word + 1..].chars();
        let is_literal = characters.next() == Some('\\') || characters.next() == Some('\'');
        // Otherwise it is a lifetime, whose name may be taken for a word.
        let length = if is_literal {
            quoted(&rest[word..], '\'')
        } else {
            1
        };
        (word + length, false)
    } else if word > 0 {
        (word, true)
    } else if rest.starts_with("::") {
        (2, true)
    } else {
        (first.len_utf8(), !first.is_whitespace())
    }
}

fn quoted(rest: &str, quote: char) -> usize {
    let mut is_escaped = false;
    for (at, character) in rest.char_indices().skip(1) {
        match character {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            end if end == quote => return at + end.len_utf8(),
            _ => {}
        }
    }
    rest.len()
}

fn block_comment(rest: &str) -> usize {
    let mut open = 0;
    let mut at = 0;
    while at < rest.len() {
        if rest[at..].starts_with("/*") {
            (open, at) = (open + 1, at + 2);
        } else if rest[at..].starts_with("*/") {
            (open, at) = (open - 1, at + 2);
            if open == 0 {
                return at;
            }
        } else {
            at += rest[at..].chars().next().map_or(1, char::len_utf8);
        }
    }
    rest.len()
}

/// Counts the modules that lie around each token.
fn mark_scopes(tokens: &mut [Token<'_>]) {
    // Whether each open brace is a module's.
    let mut scopes: Vec<bool> = Vec::new();
    for position in 0..tokens.len() {
        let before = |back: usize| position.checked_sub(back).map_or("", |at| tokens[at].text);
        let is_module = before(2) == "mod";
        let text = tokens[position].text;
        tokens[position].inline_modules = scopes.iter().filter(|is_module| **is_module).count();
        match text {
            "{" => scopes.push(is_module),
            "}" => drop(scopes.pop()),
            _ => {}
        }
    }
}
