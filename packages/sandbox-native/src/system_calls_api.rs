//! The table of the system call filter as JavaScript values.

use drvkit_sandbox::{Action, Call, Condition, RULES, Rule};
use napi_derive::napi;

/// `SystemCallRule` of `ts/system-calls.ts`.
#[napi(object, object_from_js = false)]
pub struct JsRule {
    /// Name of the call.
    pub call: &'static str,
    /// Its numbers.
    pub numbers: JsNumbers,
    /// When it is refused.
    pub condition: JsCondition,
    /// Name of the error.
    pub action: &'static str,
    /// Why.
    pub reason: &'static str,
}

/// `SystemCallNumbers` of `ts/system-calls.ts`.
#[napi(object, object_from_js = false)]
pub struct JsNumbers {
    /// See `ts/system-calls.ts`, as for all below.
    #[napi(js_name = "x86_64")]
    pub x86_64: Option<u32>,
    /// By `int 0x80`.
    pub i386: Option<u32>,
    /// With its bit.
    pub x32: Option<u32>,
    /// 64-bit ARM.
    pub aarch64: Option<u32>,
    /// 32-bit ARM.
    pub arm: Option<u32>,
}

/// `SystemCallCondition` of `ts/system-calls.ts`.
#[napi(object, object_from_js = false)]
pub struct JsCondition {
    /// Which of the union.
    pub kind: &'static str,
    /// Index of the argument that is a mode.
    pub mode: Option<u8>,
    /// Index of the argument that is flags.
    pub flags: Option<u8>,
}

impl From<Call> for JsNumbers {
    fn from(call: Call) -> Self {
        let x32 = call.x32();
        let Call { x86_64, i386, aarch64, arm, .. } = call;
        JsNumbers { x86_64, i386, x32, aarch64, arm }
    }
}

impl From<Condition> for JsCondition {
    fn from(condition: Condition) -> Self {
        let plain = |kind| JsCondition { kind, mode: None, flags: None };
        match condition {
            Condition::Always => plain("always"),
            Condition::ModeHasSetId(mode) => JsCondition { mode: Some(mode), ..plain("mode-has-set-id") },
            Condition::CreatesWithSetId { flags, mode } => {
                JsCondition { kind: "creates-with-set-id", mode: Some(mode), flags: Some(flags) }
            }
            Condition::DisarmsDeathSignal => plain("disarms-death-signal"),
        }
    }
}

impl From<&Rule> for JsRule {
    fn from(rule: &Rule) -> Self {
        let action = match rule.action {
            Action::NotPermitted => "EPERM",
            Action::NotSupported => "ENOTSUP",
            Action::NoSuchCall => "ENOSYS",
        };
        let Rule { call, condition, reason, .. } = *rule;
        JsRule { call: call.name, numbers: call.into(), condition: condition.into(), action, reason }
    }
}

/// Every row.
#[napi]
pub fn system_call_rules() -> Vec<JsRule> {
    RULES.iter().map(JsRule::from).collect()
}
