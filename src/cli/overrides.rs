//! A flag for every setting, made from the one list of settings.

use std::fmt;

use clap::{Arg, ArgMatches, Args, Command, FromArgMatches};

use crate::config::SETTINGS;

/// The settings that were given as flags: name of the flag, value.
#[derive(Clone, Default)]
pub struct Overrides(pub Vec<(String, String)>);

impl fmt::Debug for Overrides {
    /// The names: among the values are keys and passwords.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.iter().map(|(flag, _)| flag)).finish()
    }
}

impl Args for Overrides {
    fn augment_args(mut command: Command) -> Command {
        for setting in SETTINGS {
            let flag = setting.flag();
            let help = match setting.default {
                "" => setting.doc.to_owned(),
                default => format!("{} Default: {default}.", setting.doc),
            };
            let argument = Arg::new(setting.name)
                .long(flag)
                .value_name("VALUE")
                .global(true)
                .help(help)
                .help_heading("Settings");
            command = command.arg(argument);
        }
        command
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for Overrides {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let given = SETTINGS.iter().filter_map(|setting| {
            let value = matches.get_one::<String>(setting.name)?;
            Some((setting.flag(), value.clone()))
        });
        Ok(Self(given.collect()))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}
