//! A page of the manual, and what a test cuts out of it: the text that an engineer would paste.

/// A page below `docs/joining`.
pub(crate) struct Page {
    name: &'static str,
    text: String,
}

impl Page {
    #[expect(clippy::disallowed_methods, reason = "a test reads the manual")]
    pub(crate) fn of(name: &'static str) -> Self {
        let path = format!("{}/docs/joining/{name}.md", env!("CARGO_MANIFEST_DIR"));
        let text = std::fs::read_to_string(&path);
        let text = text.unwrap_or_else(|error| panic!("{path}: {error}"));
        Self { name, text }
    }

    /// File name and text of the one program that the page shows: the block whose fence names a file.
    pub(crate) fn program(&self) -> (&str, &str) {
        let mut programs = self.blocks().filter(|(label, _)| label.contains('.'));
        let (label, text) = programs.next().expect("the page shows a program");
        assert!(programs.next().is_none(), "{} shows two", self.name);
        let (_, file) = label.split_once(' ').expect("a language and a file");
        (file, text)
    }

    /// The commands of a block ```` ```sh NAME ````, where the page has one.
    pub(crate) fn commands(&self, name: &str) -> Option<&str> {
        let label = format!("sh {name}");
        let mut blocks = self.blocks().filter(|(found, _)| *found == label);
        blocks.next().map(|(_, text)| text)
    }

    /// That a program said this, and that the page has a row which quotes it first.
    #[track_caller]
    pub(crate) fn quotes(&self, says: &str, said: &str) {
        assert!(said.contains(says), "not {says:?} is said, but\n{said}");
        let quoted = format!("| `{says}`");
        let has = self.text.lines().any(|line| line.starts_with(&quoted));
        assert!(has, "{} has no row that begins {quoted}", self.name);
    }

    /// Label and text of each fenced block.
    fn blocks(&self) -> impl Iterator<Item = (&str, &str)> {
        self.text.split("\n```").skip(1).step_by(2).map(|block| {
            let (label, text) = block.split_once('\n').expect("a fence ends its line");
            (label, text)
        })
    }
}

#[test]
fn a_page_gives_its_program_its_commands_and_its_rows() {
    let page = Page {
        name: "planted",
        text: concat!(
            "# Planted\n\n```sh build\ncc client.c\n```\n\n```c client.c\nint main() {\n",
            "}\n```\n\n| it says | it is |\n|---|---|\n| `no` | wrong |\n"
        )
        .to_owned(),
    };
    assert_eq!(page.program(), ("client.c", "int main() {\n}"));
    assert_eq!(page.commands("build"), Some("cc client.c"));
    assert_eq!(page.commands("start"), None);
    page.quotes("no", "oh no!");
}
