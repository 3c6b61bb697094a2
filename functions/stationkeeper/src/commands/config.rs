//! `config check` and `config apply`.

use crate::cli::ConfigCommand;
use crate::failure::{Exit, Failure, print_bytes, print_line};
use crate::place;
use crate::settings_file::{ConfigFile, parse};

fn read(path: &std::path::Path) -> Result<ConfigFile, Failure> {
    let text = std::fs::read_to_string(path).map_err(|error| {
        Failure::because(Exit::Configuration, format_args!("cannot read {}", path.display()), &error)
    })?;
    parse(&text).map_err(|said| Failure::new(Exit::Configuration, format!("{}: {said}", path.display())))
}

/// Runs `config …`.
pub async fn run(command: &ConfigCommand) -> Result<Option<Exit>, Failure> {
    match command {
        ConfigCommand::Check { file } => {
            let said = match read(file)? {
                ConfigFile::Connections(_) => "connections, for --config",
                ConfigFile::Settings(_) => "settings, for `stationkeeper config apply`",
            };
            print_line(format_args!("{}: nothing is wrong. It holds {said}.", file.display()))?;
        }
        ConfigCommand::Apply { place, file: Some(file) } => {
            let ConfigFile::Settings(settings) = read(file)? else {
                let said = format!(
                    "{} holds connections: they are given by --config and not kept in the database",
                    file.display()
                );
                return Err(Failure::new(Exit::Configuration, said));
            };
            let store = place::open_store(&place::connections(place)?).await?;
            store
                .apply_settings(&settings)
                .await
                .map_err(|error| Failure::because(Exit::Unavailable, "cannot write the settings", &error))?;
            print_line(format_args!("Applied to {}. Running handlers follow within 10 seconds.", store.describe()))?;
        }
        ConfigCommand::Apply { place, file: None } => {
            let store = place::existing_store(place).await?;
            let settings = store
                .settings()
                .await
                .map_err(|error| Failure::because(Exit::Unavailable, "cannot read the settings", &error))?;
            let text = toml::to_string(&settings)
                .map_err(|error| Failure::because(Exit::Failed, "cannot write the settings as TOML", &error))?;
            print_bytes(text.as_bytes())?;
        }
    }
    Ok(None)
}
