//! `docs/reference/configuration.md`, from the settings themselves.

use std::fmt::Write;

use vestibule::config::{DEFAULT_FILE, SETTINGS};

use super::{COMMAND, assert_current, cell};

#[test]
fn the_reference_of_settings_is_current() {
    let mut text = format!(
        "<!-- Made from src/config/setting.rs by `{COMMAND}`. -->\n\n\
         # Configuration\n\n\
         Every setting can be written in a file, in the environment and as a flag. The last one \
         counts, in this order:\n\n\
         1. the built-in default;\n\
         2. the TOML file that `--config FILE` names, or `{DEFAULT_FILE}` in the working directory \
         if there is one;\n\
         3. the variable of the environment;\n\
         4. the flag.\n\n\
         A name that does not exist refuses to start and names the nearest one that does, in the \
         file as in the environment: every variable that begins with `VESTIBULE_` has to be a \
         setting.\n\n\
         `vestibule config` prints the effective value of each setting and where it comes from, \
         without secrets.\n\n\
         In the file, a dot separates a table from its member, and a list is a TOML array; \
         elsewhere a list is separated by commas:\n\n\
         ```toml\n\
         base_url = \"https://sso.example.com\"\n\
         listen = \"127.0.0.1:8080\"\n\
         data = \"/var/lib/vestibule\"\n\n\
         [log]\n\
         format = \"json\"\n\n\
         [outbound]\n\
         allow = [\"10.0.0.5:443\"]\n\
         ```\n\n\
         | Setting | Variable | Flag | Default | Meaning |\n|---|---|---|---|---|\n",
    );
    for setting in SETTINGS {
        let default = match setting.default {
            "" => String::new(),
            default => format!("`{default}`"),
        };
        let secret = if setting.secret { " A secret: never shown." } else { "" };
        writeln!(
            text,
            "| `{}` | `{}` | `--{}` | {} | {}{secret} |",
            setting.name,
            setting.variable(),
            setting.flag(),
            cell(&default),
            cell(setting.doc),
        )
        .unwrap();
    }
    assert_current("docs/reference/configuration.md", &text);
}
