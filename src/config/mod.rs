//! Configuration: file < environment < flag; and the folders that make a bundle.
//!
//! Reads the environment, the configuration file and the folders of agencies, messages and
//! policies; no other module does. A misspelt key is an error that names it.

mod address;
mod folders;
mod settings;

pub use address::{Address, BadAddress, HTTP_PORT};
pub use folders::{are_on_one_disk, create_private_folder, folder_names};
pub use folders::{finish_writing, write_secret, write_text, write_together};
pub use folders::{is_readable_by_others, is_writable};
pub use folders::{read_bundle, read_file, read_folder_files};
pub use settings::{Config, Overrides, log_levels};
