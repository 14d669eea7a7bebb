//! JavaScript values of the sandbox ⇄ values of its crate.

use drvkit_sandbox::{Base, Bind, Error, Event, ExitStatus, File, Ids, Kind, Network, Probe, Renounced, SpecParts};
use napi::bindgen_prelude::Uint8Array;
use napi_derive::napi;

use crate::task::Failure;

/// `SandboxBind` of `ts/types.ts`.
#[napi(object)]
pub struct JsBind {
    /// Place on this machine.
    pub source: String,
    /// Place inside.
    pub target: String,
    /// Whether it can be written.
    pub writable: bool,
    /// Whether it may be absent.
    pub optional: bool,
}

/// `SandboxFile` of `ts/types.ts`.
#[napi(object)]
pub struct JsFile {
    /// One component.
    pub name: String,
    /// All of it.
    pub content: Uint8Array,
}

/// `SandboxSpec` of `ts/types.ts`.
#[napi(object)]
pub struct JsSpec {
    /// See `ts/types.ts`, as for all below.
    pub builder: Uint8Array,
    /// All of argv.
    pub argv: Vec<Uint8Array>,
    /// `NAME=value` each.
    pub env: Vec<Uint8Array>,
    /// Directory to make.
    pub chroot_dir: String,
    /// Path inside.
    pub store_dir: String,
    /// Directory to make.
    pub temp_dir: String,
    /// Path inside.
    pub build_dir: String,
    /// Files of the build directory.
    pub files: Vec<JsFile>,
    /// What is shown.
    pub binds: Vec<JsBind>,
    /// `private`, `host` or `program`.
    pub network: String,
    /// Argv of the program that connects the network.
    pub network_program: Option<Vec<String>>,
    /// Owner on this machine.
    pub host_uid: u32,
    /// Group on this machine.
    pub host_gid: u32,
    /// 32-bit execution domain.
    pub personality32: bool,
    /// Size of /dev/shm.
    pub dev_shm_size: String,
    /// Whether to show /dev/kvm.
    pub kvm: bool,
    /// As many ids as a machine has.
    pub id_range: Option<bool>,
    /// No start without this.
    pub groups_must_go: Option<bool>,
    /// The kernel calls itself 2.6.
    pub linux26: Option<bool>,
    /// Directory of a group that exists.
    pub cgroup: Option<String>,
    /// Unless it is false.
    pub filter_calls: Option<bool>,
    /// Programs may gain rights.
    pub new_privileges: Option<bool>,
}

/// `UnconfinedSpec` of `ts/types.ts`.
#[napi(object)]
pub struct JsUnconfinedSpec {
    /// See `ts/types.ts`, as for all below.
    pub builder: Uint8Array,
    /// All of argv.
    pub argv: Vec<Uint8Array>,
    /// `NAME=value` each.
    pub env: Vec<Uint8Array>,
    /// Directory to make.
    pub temp_dir: String,
    /// Files of the build directory.
    pub files: Vec<JsFile>,
    /// Owner on this machine.
    pub host_uid: u32,
    /// Group on this machine.
    pub host_gid: u32,
    /// 32-bit execution domain.
    pub personality32: bool,
    /// The kernel calls itself 2.6.
    pub linux26: Option<bool>,
    /// Directory of a group that exists.
    pub cgroup: Option<String>,
    /// Unless it is false.
    pub filter_calls: Option<bool>,
    /// Programs may gain rights.
    pub new_privileges: Option<bool>,
    /// No start without this.
    pub groups_must_go: Option<bool>,
}

/// `SandboxBase` of `ts/types.ts`.
#[napi(object)]
pub struct JsBase {
    /// `private` or `host`.
    pub network: String,
    /// Owner on this machine.
    pub host_uid: u32,
    /// Group on this machine.
    pub host_gid: u32,
    /// All ids of a machine of its own.
    pub id_range: Option<bool>,
    /// No start without this.
    pub groups_must_go: Option<bool>,
    /// Directory of a group that exists.
    pub cgroup: Option<String>,
}

impl TryFrom<JsBase> for Base {
    type Error = Failure;

    fn try_from(base: JsBase) -> Result<Self, Failure> {
        Ok(Base {
            network: network(&base.network, None)?,
            host_uid: base.host_uid,
            host_gid: base.host_gid,
            ids: ids(base.id_range),
            groups_must_go: base.groups_must_go.unwrap_or(false),
            cgroup: base.cgroup.map(String::into_bytes),
        })
    }
}

fn ids(id_range: Option<bool>) -> Ids {
    if id_range == Some(true) { Ids::Range } else { Ids::One }
}

/// `program`: that of the network; nothing where there can be none.
fn network(kind: &str, program: Option<Vec<String>>) -> Result<Network, Failure> {
    match (kind, program) {
        ("private", _) => Ok(Network::Private),
        ("host", _) => Ok(Network::Host),
        ("program", Some(program)) => Ok(Network::Program(program.into_iter().map(String::into_bytes).collect())),
        (other, program) => {
            let third = if program.is_some() { " nor \"program\"" } else { "" };
            let message = format!("\"{other}\" is neither \"private\" nor \"host\"{third}");
            Err(Failure { code: "ERR_SANDBOX_SPEC", message, ..Failure::default() })
        }
    }
}

fn texts(texts: &[Uint8Array]) -> Vec<Vec<u8>> {
    texts.iter().map(|text| text.to_vec()).collect()
}

fn files(files: Vec<JsFile>) -> Vec<File> {
    files.into_iter().map(|file| File { name: file.name.into_bytes(), content: file.content.to_vec() }).collect()
}

fn renounced(filter_calls: Option<bool>, new_privileges: Option<bool>) -> Renounced {
    Renounced { call_filter: filter_calls == Some(false), no_new_privileges: new_privileges == Some(true) }
}

impl From<JsUnconfinedSpec> for SpecParts {
    fn from(spec: JsUnconfinedSpec) -> Self {
        SpecParts {
            builder: spec.builder.to_vec(),
            argv: texts(&spec.argv),
            env: texts(&spec.env),
            // It has no root of its own.
            chroot_dir: b"/".to_vec(),
            store_dir: b"/nix/store".to_vec(),
            build_dir: spec.temp_dir.clone().into_bytes(),
            temp_dir: spec.temp_dir.into_bytes(),
            files: files(spec.files),
            base: Base {
                host_uid: spec.host_uid,
                host_gid: spec.host_gid,
                groups_must_go: spec.groups_must_go.unwrap_or(false),
                cgroup: spec.cgroup.map(String::into_bytes),
                ..Base::default()
            },
            personality32: spec.personality32,
            linux26: spec.linux26.unwrap_or(false),
            renounced: renounced(spec.filter_calls, spec.new_privileges),
            ..SpecParts::default()
        }
    }
}

impl TryFrom<JsSpec> for SpecParts {
    type Error = Failure;

    fn try_from(spec: JsSpec) -> Result<Self, Failure> {
        let bind = |bind: JsBind| Bind {
            source: bind.source.into_bytes(),
            target: bind.target.into_bytes(),
            writable: bind.writable,
            optional: bind.optional,
        };
        Ok(SpecParts {
            builder: spec.builder.to_vec(),
            argv: texts(&spec.argv),
            env: texts(&spec.env),
            chroot_dir: spec.chroot_dir.into_bytes(),
            store_dir: spec.store_dir.into_bytes(),
            temp_dir: spec.temp_dir.into_bytes(),
            build_dir: spec.build_dir.into_bytes(),
            files: files(spec.files),
            binds: spec.binds.into_iter().map(bind).collect(),
            base: Base {
                network: network(&spec.network, Some(spec.network_program.unwrap_or_default()))?,
                host_uid: spec.host_uid,
                host_gid: spec.host_gid,
                ids: ids(spec.id_range),
                groups_must_go: spec.groups_must_go.unwrap_or(false),
                cgroup: spec.cgroup.map(String::into_bytes),
            },
            personality32: spec.personality32,
            linux26: spec.linux26.unwrap_or(false),
            renounced: renounced(spec.filter_calls, spec.new_privileges),
            dev_shm_size: spec.dev_shm_size.into_bytes(),
            kvm: spec.kvm,
        })
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let code = match error.kind {
            Kind::Spec => "ERR_SANDBOX_SPEC",
            Kind::Unavailable => "ERR_SANDBOX_UNAVAILABLE",
            Kind::Setup => "ERR_SANDBOX_SETUP",
            Kind::ProgramSpec => "ERR_PROGRAM_SPEC",
            Kind::ProgramStart => "ERR_PROGRAM_START",
        };
        let Error { message, hint, step, path, errno, .. } = error;
        Failure { code, message, hint, step, path, errno }
    }
}

/// One event, flat: `ts/index.ts` makes the union of it.
#[napi(object, object_from_js = false)]
pub struct JsEvent {
    /// `output`, `eof`, `exited` or `signalled`.
    pub kind: &'static str,
    /// Of `output`.
    pub bytes: Option<Uint8Array>,
    /// Exit code or signal.
    pub number: Option<i32>,
}

impl From<Event> for JsEvent {
    fn from(event: Event) -> Self {
        let plain = |kind, number| JsEvent { kind, bytes: None, number };
        match event {
            Event::Output(bytes) => JsEvent { kind: "output", bytes: Some(bytes.into()), number: None },
            Event::EndOfOutput => plain("eof", None),
            Event::Exit(ExitStatus::Exited(code)) => plain("exited", Some(code)),
            Event::Exit(ExitStatus::Signalled(signal)) => plain("signalled", Some(signal)),
        }
    }
}

/// `LayerProbe` of `ts/types.ts`.
#[napi(object, object_from_js = false)]
pub struct JsProbe {
    /// Public name.
    pub layer: &'static str,
    /// It was applied.
    pub works: bool,
    /// No build starts without it.
    pub required: bool,
    /// What was seen.
    pub detail: String,
    /// What decides it.
    pub hint: Option<String>,
}

impl From<Probe> for JsProbe {
    fn from(probe: Probe) -> Self {
        let Probe { layer, works, required, detail, hint } = probe;
        JsProbe { layer, works, required, detail, hint }
    }
}
