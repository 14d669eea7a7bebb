//! Which layers this machine gives, found out by making a sandbox and ending it before a builder would run.

use std::fs;
use std::path::Path;

use crate::error::{Error, Kind, NEWGIDMAP};
use crate::layer::{Layer, layers_of};
use crate::machine::Machine;
use crate::plan::{Ending, plan};
use crate::set_up::{Failed, op_at};
use crate::spec::{Base, Spec, SpecParts};
use crate::start::try_out;

/// What was found out about one layer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probe {
    /// Public name.
    pub layer: &'static str,
    /// It was applied.
    pub works: bool,
    /// Whether no build starts without it.
    pub required: bool,
    /// What was seen.
    pub detail: String,
    /// What decides it.
    pub hint: Option<String>,
}

/// Tries everything once in two new directories below `directory`, which must exist and be private; they stay.
pub fn probe(directory: &Path, host_uid: u32, host_gid: u32) -> Result<Vec<Probe>, Error> {
    let machine = Machine::read();
    let below = |name: &str| directory.join(name).into_os_string().into_encoded_bytes();
    let spec = Spec::new(SpecParts {
        builder: b"/".to_vec(),
        chroot_dir: below("root"),
        store_dir: b"/nix/store".to_vec(),
        temp_dir: below("temp"),
        build_dir: b"/build".to_vec(),
        base: Base { host_uid, host_gid, ..Base::default() },
        dev_shm_size: b"50%".to_vec(),
        ..SpecParts::default()
    })?;
    let program = plan(&spec, &machine, Ending::Try);
    let result = try_out(&spec, &machine, &program);
    let mut probes = judge(&program, &result, &machine);
    if machine.uid == 0 && host_uid != 0 {
        probes.push(allocated_uid(&result, host_uid));
    }
    probes.push(cgroup2());
    Ok(probes)
}

fn judge(program: &[drvkit_helper::Instruction], result: &Result<Vec<u32>, Failed>, machine: &Machine) -> Vec<Probe> {
    let mut probes = Vec::new();
    for (index, instruction) in program.iter().enumerate() {
        let index = index as u32;
        for layer in layers_of(&instruction.op) {
            let (works, detail, hint) = match result {
                Ok(skipped) if skipped.contains(&index) => without(layer),
                Ok(_) => (true, "applied".to_owned(), None),
                Err(Failed { index: Some(at), .. }) if index < *at => (true, "applied".to_owned(), None),
                Err(Failed { error, index: Some(at) }) if index == *at => {
                    (false, error.message.clone(), error.hint.clone())
                }
                Err(Failed { error, index: at }) => {
                    let step = op_at(program, *at).map_or(error.step.as_deref().unwrap_or("start"), |op| op.step());
                    (false, format!("not reached: the step \"{step}\" failed"), error.hint.clone())
                }
            };
            let required = instruction.tolerated.is_empty();
            probes.push(Probe { layer: layer.name(), works, required, detail, hint });
        }
    }
    if !probes.iter().any(|probe| probe.layer == Layer::Landlock.name()) {
        probes.push(Probe {
            layer: Layer::Landlock.name(),
            works: false,
            required: false,
            detail: format!("scopes came with version 6, this kernel has {}", machine.landlock_abi),
            hint: Some("Linux 6.12 or later has them".to_owned()),
        });
    }
    probes
}

/// What a layer that builds start without is not there for, and what decides it.
fn without(layer: Layer) -> (bool, String, Option<String>) {
    let (detail, hint) = match layer {
        Layer::DroppedGroups => ("groups of the caller stay, and show as 65534 inside", NEWGIDMAP),
        Layer::SessionKeyring => (
            "there are no keyrings here, and so no keys to reach",
            "they need CONFIG_KEYS of the kernel, and in a container a filter that allows keyctl",
        ),
        Layer::Landlock => (
            "the kernel does not let it be used",
            "the parameter `lsm=` of the kernel must name landlock, and in a container the filter must allow its calls",
        ),
        _ => return (false, "the kernel does not offer it".to_owned(), None),
    };
    (false, detail.to_owned(), Some(hint.to_owned()))
}

fn allocated_uid(result: &Result<Vec<u32>, Failed>, uid: u32) -> Probe {
    let layer = Layer::AllocatedUid.name();
    match result {
        Err(Failed { error, index: None }) if error.kind == Kind::Unavailable => {
            Probe { layer, works: false, required: true, detail: error.message.clone(), hint: error.hint.clone() }
        }
        _ => Probe { layer, works: true, required: true, detail: format!("builders run as {uid}"), hint: None },
    }
}

fn cgroup2() -> Probe {
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    let place =
        mounts.lines().map(|line| line.split(' ').collect::<Vec<_>>()).find(|fields| fields.get(2) == Some(&"cgroup2"));
    let (works, detail) = match place {
        Some(fields) => (true, format!("mounted on {}", fields[1])),
        None => (false, "not mounted".to_owned()),
    };
    Probe { layer: "cgroup2", works, required: false, detail, hint: None }
}
