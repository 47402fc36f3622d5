//! The manual: pages of the three programs and of `chatd.toml`, and completions for shells, all made
//! from what the programs and the shipped file say of themselves, so that they cannot disagree.
//!
//! `chatd --write-manual DIR` writes them; the package does so when it is built.

use std::fs;
use std::io;
use std::path::Path;

use clap::Command;
use clap_complete::Shell;
use clap_mangen::Man;

use crate::{client, config, ctl, server};

/// Shells that completions are written for.
const SHELLS: [Shell; 3] = [Shell::Bash, Shell::Zsh, Shell::Fish];

/// Writes all of it into `man` and `completions` below this folder.
///
/// # Errors
/// Those of the file system.
pub fn write(into: &Path) -> io::Result<()> {
    let (man, completions) = (into.join("man"), into.join("completions"));
    fs::create_dir_all(&man)?;
    fs::create_dir_all(&completions)?;
    let programs = [
        (server::command(), "8"),
        (ctl::command(), "1"),
        (client::args::typed(), "1"),
    ];
    for (program, section) in programs {
        let name = program.get_name().to_owned();
        page(&man, program.clone(), section)?;
        for shell in SHELLS {
            clap_complete::generate_to(shell, &mut program.clone(), &name, &completions)?;
        }
    }
    fs::write(man.join("chatd.toml.5"), of_config(config::default_text()))
}

/// One page for a program; what its subcommands take stands in it, as in `--help`.
fn page(into: &Path, mut program: Command, section: &str) -> io::Result<()> {
    program.build();
    let name = program.get_name().to_owned();
    let subcommands: Vec<Command> = program
        .get_subcommands()
        .filter(|command| !command.is_hide_set() && command.get_name() != "help")
        .cloned()
        .collect();
    let man = Man::new(program).section(section);
    let mut text = Vec::new();
    man.render_title(&mut text)?;
    man.render_name_section(&mut text)?;
    man.render_synopsis_section(&mut text)?;
    man.render_description_section(&mut text)?;
    man.render_options_section(&mut text)?;
    if !subcommands.is_empty() {
        text.extend_from_slice(b".SH COMMANDS\n");
    }
    for command in subcommands {
        let about = command.get_about().map(ToString::to_string);
        let usage = command.clone().render_usage().to_string();
        let usage = usage.trim_start_matches("Usage: ");
        text.extend(format!(".SS \"{}\"\n", escaped(usage)).bytes());
        text.extend(escaped(&about.unwrap_or_default()).bytes());
        text.push(b'\n');
        for argument in command
            .get_arguments()
            .filter(|argument| !argument.is_hide_set())
        {
            let help = argument.get_help().map(ToString::to_string);
            let entry = format!(
                ".TP\n\\fB{}\\fR\n{}\n",
                escaped(&argument.to_string()),
                escaped(&help.unwrap_or_default())
            );
            text.extend(entry.bytes());
        }
    }
    man.render_extra_section(&mut text)?;
    man.render_version_section(&mut text)?;
    text.extend_from_slice(b".SH SEE ALSO\n.BR chatd (8),\n.BR chatctl (1),\n.BR chat\\-client (1),\n.BR chatd.toml (5)\n");
    fs::write(into.join(format!("{name}.{section}")), text)
}

/// The page of the file: what the shipped file says of each key stands below its name and default.
fn of_config(file: &str) -> String {
    let mut page = String::from(
        ".TH chatd.toml 5\n.SH NAME\nchatd.toml \\- configuration of chatd\n.SH DESCRIPTION\n",
    );
    let mut section = "";
    let mut said: Vec<&str> = Vec::new();
    for line in file.lines() {
        if let Some(comment) = line.strip_prefix('#') {
            said.push(comment.trim());
        } else if let Some(name) = line.strip_prefix('[') {
            page.push_str(&prose(&said));
            section = name.trim_end_matches(']');
            page.push_str(&format!(".SH [{}]\n", escaped(section)));
            said.clear();
        } else if let Some((key, value)) = line.split_once(" = ") {
            let (key, value) = (escaped(key), escaped(value));
            page.push_str(&format!(".TP\n\\fB{section}.{key}\\fR = {value}\n"));
            page.push_str(&prose(&said));
            said.clear();
        } else if !said.is_empty() {
            // What stands alone belongs to no key.
            page.push_str(&format!(".PP\n{}", prose(&said)));
            said.clear();
        }
    }
    page.push_str(".SH SEE ALSO\n.BR chatd (8),\n.BR chatctl (1)\n");
    page
}

/// Comments as text: an empty one is a new paragraph, rulers are left out.
fn prose(comments: &[&str]) -> String {
    let mut text = String::new();
    for comment in comments {
        match *comment {
            "" => text.push_str(".sp\n"),
            ruler if ruler.chars().all(|c| c == '-') => {}
            words => {
                text.push_str(&escaped(words));
                text.push('\n');
            }
        }
    }
    text
}

/// Text that the formatter takes for text.
fn escaped(text: &str) -> String {
    let text = text
        .replace('\\', "\\e")
        .replace('-', "\\-")
        .replace('"', "\\(dq");
    let is_request = text.starts_with(['.', '\'']);
    if is_request {
        format!("\\&{text}")
    } else {
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_every_option_and_every_key_is_in_the_manual() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path()).unwrap();
        let read = |name: &str| fs::read_to_string(folder.path().join("man").join(name)).unwrap();
        let chatctl = read("chatctl.1");
        let mut seen = 0;
        for command in ctl::command().get_subcommands() {
            let name = command.get_name().replace('-', "\\-");
            assert!(chatctl.contains(&format!("chatctl {name}")), "{name}");
            for option in command
                .get_arguments()
                .filter_map(|argument| argument.get_long())
            {
                let option = option.replace('-', "\\-");
                assert!(
                    chatctl.contains(&format!("\\-\\-{option}")),
                    "{name} {option}"
                );
                seen += 1;
            }
        }
        assert!(seen > 50, "{seen}");
        let toml = read("chatd.toml.5");
        let rows = config::rows(&config::Loaded::default());
        assert!(rows.len() > 40);
        for row in rows {
            assert!(
                toml.contains(&format!("\\fB{}\\fR = ", row.key)),
                "{}",
                row.key
            );
        }
        let chatd = read("chatd.8");
        assert!(chatd.contains("\\-\\-check\\-config") && chatd.contains("CHATD__SECTION__KEY"));
        assert!(
            !chatd.contains("write\\-manual"),
            "that is for those who build"
        );
        assert!(read("chat-client.1").contains("\\-\\-no\\-color"));
        let completions = fs::read_dir(folder.path().join("completions")).unwrap();
        assert_eq!(completions.count(), 9);
    }

    #[test]
    fn what_the_formatter_obeys_is_escaped() {
        assert_eq!(escaped(".SH x"), "\\&.SH x");
        assert_eq!(escaped("a\\b--c \"d\""), "a\\eb\\-\\-c \\(dqd\\(dq");
    }
}
