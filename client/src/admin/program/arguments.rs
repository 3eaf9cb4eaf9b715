//! The command line of `wardline-admin`.
use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;

/// The IT admin's program. It holds the hospital's signing key: keep it, and its directory, off the server.
///
/// Every change is signed and stored here first and then sent to the node. Exit code 0: done; 1: not done, nothing has changed;
/// 2: wrong arguments; 3: signed and stored here, but the node could not be told: run `wardline-admin publish` later; 4: `verify-web`
/// found another web client than the published one.
#[derive(Parser)]
#[command(name = "wardline-admin", version)]
pub struct Arguments {
    /// Where the keys and the chain of statements are kept.
    #[arg(long, global = true, default_value = "hospital")]
    pub dir: PathBuf,
    /// One JSON object on standard output instead of text.
    #[arg(long, global = true)]
    pub json: bool,
    /// Reads the passphrase from this file's first line. Otherwise from WARDLINE_PASSPHRASE, otherwise it is asked for.
    #[arg(long, global = true, value_name = "FILE")]
    pub passphrase_file: Option<PathBuf>,
    /// Does not talk to the node: signs and stores only.
    #[arg(long, global = true)]
    pub offline: bool,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Subcommand)]
pub enum Command {
    /// Makes a hospital: root key, operational key, and the first statement.
    Init {
        /// Writes the root's recovery into this new file instead of showing it. Print it and destroy the file.
        #[arg(long, value_name = "FILE")]
        recovery_file: Option<PathBuf>,
    },
    /// Makes a new operational key from the root's printed recovery; the old one signs nothing more.
    ///
    /// The node is asked for statements that this directory lacks. With --offline what is here is taken to be all: if the node
    /// has more, there are two hospitals from then on.
    Recover(Recover),
    /// Servers of the hospital.
    #[command(subcommand)]
    Node(Node),
    /// Sends the node the statements that it lacks.
    Publish,
    /// Accounts of people.
    #[command(subcommand)]
    Account(Account),
    /// Groups of accounts: wards, teams.
    #[command(subcommand)]
    Group(Group),
    /// Channels: announcements to wards or everyone.
    #[command(subcommand)]
    Channel(Channel),
    /// Makes a one-time code for an account: a link, and a QR code in the terminal.
    Enrol {
        /// Whose.
        handle: String,
        /// How long the code is good.
        #[arg(long, default_value_t = 72, value_parser = clap::value_parser!(u64).range(1..=24 * 90))]
        hours: u64,
    },
    /// Compares the web client that a node serves with the published one, file by file. Needs no key.
    VerifyWeb(VerifyWeb),
}

/// `verify-web`
#[derive(Args)]
pub struct VerifyWeb {
    /// The address of the node's page.
    #[arg(value_name = "https://NODE")]
    pub url: String,
    /// The hash that was published with the release, as the build prints it.
    #[arg(long, value_name = "HEX", required_unless_present = "list")]
    pub sha256: Option<String>,
    /// The published list of files (sha256sums.txt). With it, differences are named even where the node's own list is another.
    #[arg(long, value_name = "FILE")]
    pub list: Option<PathBuf>,
    /// The authority of the page's certificate, in PEM, where it is none that this machine knows.
    #[arg(long, value_name = "FILE")]
    pub ca: Option<PathBuf>,
}

/// `recover`
#[derive(Args)]
pub struct Recover {
    /// Reads the recovery from this file. Otherwise it is asked for.
    #[arg(long, value_name = "FILE")]
    pub recovery_file: Option<PathBuf>,
    /// Fetches the statements from this node, when the directory is lost.
    #[arg(long, value_name = "HOST:PORT", requires = "certificate_sha256")]
    pub from_node: Option<String>,
    /// The node's certificate hash, as its node.json says.
    #[arg(long, value_name = "HEX")]
    pub certificate_sha256: Option<String>,
}

/// `node ...`
#[derive(Subcommand)]
pub enum Node {
    /// Makes a server known to the hospital, or changes what is said of it.
    Add {
        /// The node.json that `wardline init` wrote. The other options overrule it.
        #[arg(long, value_name = "node.json")]
        card: Option<PathBuf>,
        /// Its name.
        #[arg(long)]
        name: Option<String>,
        /// Where clients find it; several times for several addresses, the preferred one first.
        #[arg(long = "address", value_name = "HOST:PORT")]
        addresses: Vec<String>,
        /// SHA-256 of its DER certificate.
        #[arg(long, value_name = "HEX", required_unless_present = "card")]
        certificate_sha256: Option<String>,
        /// Its key for removal proposals.
        #[arg(long, value_name = "HEX", required_unless_present = "card")]
        proposer_key: Option<String>,
        /// Its id; a new one when left out.
        #[arg(long, value_name = "HEX")]
        node_id: Option<String>,
    },
    /// Shows the servers.
    List,
    /// Takes a server out, for good.
    Remove {
        /// Its id.
        node_id: String,
    },
}

/// `account ...`
#[derive(Subcommand)]
pub enum Account {
    /// Creates an account, with a code that is good for 72 hours.
    Add {
        /// The short unique name: a-z, 0-9, '.', '-', '_'.
        handle: String,
        /// The name people read.
        #[arg(long)]
        name: String,
        /// What the person does, and where.
        #[arg(long, default_value = "")]
        role: String,
        /// A guest: seen by the members of its rooms only.
        #[arg(long)]
        guest: bool,
        /// The last day, e.g. 2027-03-31, or a moment, e.g. 2027-03-31T18:00Z.
        #[arg(long, value_name = "DATE")]
        expires: Option<String>,
    },
    /// Shows the accounts and, unless --offline, what the node knows of them.
    List,
    /// Locks an account at the node: its connections end at once.
    Lock {
        /// Whose.
        handle: String,
    },
    /// Unlocks an account at the node.
    Unlock {
        /// Whose.
        handle: String,
    },
    /// Deletes an account, for good.
    Delete {
        /// Whose.
        handle: String,
    },
    /// Creates and changes accounts from a CSV file with the columns handle,name,role,groups. All rows or none.
    Import {
        /// The file.
        file: PathBuf,
        /// Shows what would change, and changes nothing.
        #[arg(long)]
        dry_run: bool,
        /// Creates groups that do not exist; otherwise they are mistakes.
        #[arg(long)]
        create_groups: bool,
        /// Writes a page to print for each new account into this directory, or shows them in the terminal: "-".
        #[arg(long, value_name = "DIR|-")]
        sheets: Option<PathBuf>,
    },
}

/// `group ...`
#[derive(Subcommand)]
pub enum Group {
    /// Creates a group.
    Add {
        /// Its name.
        name: String,
    },
    /// Deletes a group, for good.
    Remove {
        /// Its name.
        name: String,
    },
    /// Adds accounts to a group.
    Join {
        /// The group's name.
        name: String,
        /// Who joins.
        #[arg(required = true)]
        handles: Vec<String>,
    },
    /// Takes accounts out of a group.
    Leave {
        /// The group's name.
        name: String,
        /// Who leaves.
        #[arg(required = true)]
        handles: Vec<String>,
    },
    /// Shows the groups.
    List,
}

/// `channel ...`
#[derive(Subcommand)]
pub enum Channel {
    /// Creates a channel, or replaces what is said of it: who reads and who writes in it.
    Set(SetChannel),
    /// Deletes a channel, for good. Nobody writes in it any more.
    Remove {
        /// Its name.
        name: String,
    },
    /// Shows the channels.
    List,
}

/// `channel set`
#[derive(Args)]
pub struct SetChannel {
    /// Its name.
    pub name: String,
    /// Every internal account reads it, whoever comes later too.
    #[arg(long, required_unless_present = "groups")]
    pub everyone: bool,
    /// The members of this group read it; several times for several groups.
    #[arg(long = "group", value_name = "NAME")]
    pub groups: Vec<String>,
    /// Writes in it; several times for several operators.
    #[arg(long = "operator", value_name = "HANDLE", required = true)]
    pub operators: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_sound() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn a_node_needs_a_card_or_its_numbers() {
        let parse = |line: &str| Arguments::try_parse_from(line.split(' '));
        assert!(parse("wardline-admin node add --card node.json").is_ok());
        assert!(
            parse("wardline-admin node add --name n --address h:1 --certificate-sha256 aa --proposer-key bb").is_ok()
        );
        assert!(parse("wardline-admin node add --name n").is_err());
        assert!(parse("wardline-admin enrol anna --hours 0").is_err());
        assert!(parse("wardline-admin group join Station").is_err());
        assert!(parse("wardline-admin channel set Haus --everyone --operator anna").is_ok());
        assert!(parse("wardline-admin channel set Haus --operator anna").is_err(), "for whom?");
        assert!(parse("wardline-admin channel set Haus --group Station").is_err(), "by whom?");
        assert!(parse("wardline-admin verify-web https://n --sha256 ab --ca ca.pem").is_ok());
        assert!(parse("wardline-admin verify-web https://n --list sha256sums.txt").is_ok());
        assert!(parse("wardline-admin verify-web https://n").is_err());
    }
}
