//! The token of an officer whose certificate does not name him, as a command of his prints it.

use std::process::{Command, Stdio};

use super::failed::Failed;

/// The token that a command of the shell prints. What it asks and says besides goes through to the user.
pub(super) fn of_command(command: &str) -> Result<String, Failed> {
    let run = Command::new("sh")
        .args(["-c", command])
        .stdin(Stdio::inherit())
        .stderr(Stdio::inherit())
        .output();
    let output = run.map_err(Failed::cannot_run)?;
    let printed = String::from_utf8_lossy(&output.stdout);
    let token = printed.trim();
    let is_token = !token.is_empty() && token.chars().all(|it| it.is_ascii_graphic());
    if output.status.success() && is_token {
        return Ok(token.to_owned());
    }
    let how = match (output.status.success(), token) {
        (false, _) => output.status.to_string(),
        (true, "") => "it printed nothing".to_owned(),
        (true, _) => "it printed more than a token".to_owned(),
    };
    Err(Failed::CannotRun(format!(
        "the token command `{command}`: {how}; it must print the token alone, and end well"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_token_is_what_the_command_prints_alone() {
        let of = |command| of_command(command).map_err(|failed| failed.to_string());
        assert_eq!(of("echo; echo 'a.b.c '"), Ok("a.b.c".to_owned()));
        for (command, why) in [
            ("echo a.b.c; exit 3", "exit status: 3"),
            ("true", "printed nothing"),
            ("echo hello; echo a.b.c", "more than a token"),
        ] {
            let says = of(command).unwrap_err();
            assert!(says.contains(why), "{command}: {says}");
        }
    }
}
