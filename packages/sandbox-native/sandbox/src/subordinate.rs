//! Ids that `/etc/subgid` lets a user give away, and the program that may map them. Only a map that such a program wrote leaves
//! a namespace the right to drop groups.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::sys;

/// Where it is installed; whatever PATH says, nobody else's is taken.
const PROGRAMS: [&str; 3] = ["/usr/bin/newgidmap", "/run/wrappers/bin/newgidmap", "/bin/newgidmap"];
/// Inside, the id that is mapped for its right only; no file has it.
const SPARE_GID: u32 = 65_533;

/// Whether the groups of the process were mapped with the right to drop groups. If not, nothing was.
pub(crate) fn map_groups(pid: i32, inner: u32, own: u32) -> bool {
    let Some(program) = PROGRAMS.into_iter().find(|program| Path::new(program).exists()) else { return false };
    let Some(spare) = first_subordinate_group(sys::effective_uid()) else { return false };
    let arguments = [pid.to_string(), inner.to_string(), own.to_string(), "1".into()];
    let status = Command::new(program)
        .args(arguments)
        .args([SPARE_GID.to_string(), spare.to_string(), "1".into()])
        .env_clear()
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    status.is_ok_and(|status| status.success())
}

/// The first id of the first range of a user, who stands there by name or by number.
fn first_subordinate_group(uid: u32) -> Option<u32> {
    let accounts = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let ranges = fs::read_to_string("/etc/subgid").unwrap_or_default();
    first_of(&ranges, &name_of(&accounts, uid), uid)
}

fn name_of(accounts: &str, uid: u32) -> String {
    let mut fields = accounts.lines().map(|line| line.split(':').collect::<Vec<_>>());
    let found = fields.find(|fields| fields.get(2).and_then(|id| id.parse().ok()) == Some(uid));
    found.and_then(|fields| fields.first().map(|name| (*name).to_owned())).unwrap_or_default()
}

fn first_of(ranges: &str, name: &str, uid: u32) -> Option<u32> {
    ranges.lines().find_map(|line| {
        let (owner, range) = line.split_once(':')?;
        let (first, count) = range.split_once(':')?;
        let is_own = (!name.is_empty() && owner == name) || owner.parse() == Ok(uid);
        if !is_own || count.trim().parse::<u32>().ok()? == 0 { None } else { first.parse().ok() }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ACCOUNTS: &str = "root:x:0:0::/root:/bin/sh\nmara:x:1000:1000::/home/mara:/bin/sh\n";

    #[test]
    fn a_user_stands_there_by_name_or_by_number() {
        let name = name_of(ACCOUNTS, 1000);
        assert_eq!(name, "mara");
        assert_eq!(first_of("other:1:5\nmara:100000:65536\n", &name, 1000), Some(100_000));
        assert_eq!(first_of("1000:7:1", &name, 1000), Some(7));
        assert_eq!(first_of("mara:100000:65536", &name_of(ACCOUNTS, 1), 1), None);
    }

    #[test]
    fn lines_that_say_nothing_are_passed_over() {
        assert_eq!(first_of("mara\nmara:x:1\nmara:5:0\nmara:9:1", "mara", 1000), Some(9));
        assert_eq!(first_of(":5:1", "", 1000), None);
    }
}
