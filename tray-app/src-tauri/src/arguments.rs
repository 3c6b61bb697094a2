//! The command line.

use std::path::PathBuf;

use clap::Parser;
use stationkeeper_tray_view::pairing::GatewayUrl;

/// Stations of a laboratory, in the tray.
#[derive(Debug, Clone, Parser)]
#[command(name = "stationkeeper-tray", version)]
pub struct Arguments {
    /// Gateway to connect to, such as https://lab-gateway.example.org; without it the one that the app is connected to
    #[arg(long, value_name = "URL")]
    pub gateway: Option<GatewayUrl>,
    /// Show the icon only, no window
    #[arg(long)]
    pub minimized: bool,
    /// Lab Station's data folder, where this PC is a station [default: where Lab Station puts it]
    #[arg(long, value_name = "DIR", env = "STATIONKEEPER_TRAY_LAB_STATION")]
    pub lab_station: Option<PathBuf>,
    /// Link that an operator gave out, stationkeeper://pair?…
    #[arg(value_name = "LINK")]
    pub link: Option<String>,
}

impl Arguments {
    /// This PC's own heartbeat; none: no Lab Station is here.
    pub fn heartbeat(&self) -> Option<PathBuf> {
        let below = |data: &str| PathBuf::from(data).join("telemetry").join("heartbeat.json");
        match &self.lab_station {
            Some(folder) => Some(folder.join("telemetry").join("heartbeat.json")),
            None if cfg!(windows) => {
                let (root, mirror) = (r"C:\LabStation\labstation\data", r"C:\LabStation\data");
                // The older place counts only where the newer one is absent.
                let older = !std::path::Path::new(root).is_dir() && std::path::Path::new(mirror).is_dir();
                Some(below(if older { mirror } else { root }))
            }
            None => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_takes_a_gateway_a_link_and_nothing_that_is_neither() {
        for (words, good) in [
            (vec!["--gateway", "http://127.0.0.1:8080", "--minimized"], true),
            (vec!["stationkeeper://pair?gateway=https://lab.example&code=K7M4Q2XX"], true),
            (vec!["--gateway", "http://lab.example"], false),
            (vec!["--token", "x"], false),
        ] {
            let read = Arguments::try_parse_from(["stationkeeper-tray"].iter().chain(words.iter()));
            assert_eq!(read.is_ok(), good, "{words:?}");
        }
    }

    #[test]
    fn a_heartbeat_is_read_where_lab_station_writes_it() {
        let given = Arguments::parse_from(["stationkeeper-tray", "--lab-station", "data"]);
        assert_eq!(given.heartbeat(), Some(["data", "telemetry", "heartbeat.json"].iter().collect()));
    }
}
