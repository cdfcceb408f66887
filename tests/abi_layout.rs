//! `include/rsyslog_abi.h` against rsyslog's own headers.
//!
//! With RSYSLOG_SOURCE_DIR=/path/to/rsyslog (a configured tree: config.h is needed) and `--include-ignored` a C compiler checks
//! that every layout and constant the module relies on is the same there. Otherwise the header is only compiled by itself.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr)]

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

/// Layouts and constants as C expressions on rsyslog's own types, with what our header gives for them.
const SAME: &[(&str, &str)] = &[
    ("sizeof(struct cnfparamdescr)", "sizeof(struct abi_cnfparamdescr)"),
    ("offsetof(struct cnfparamdescr, type)", "offsetof(struct abi_cnfparamdescr, type)"),
    ("offsetof(struct cnfparamdescr, flags)", "offsetof(struct abi_cnfparamdescr, flags)"),
    ("sizeof(struct cnfparamblk)", "sizeof(struct abi_cnfparamblk)"),
    ("offsetof(struct cnfparamblk, nParams)", "offsetof(struct abi_cnfparamblk, nParams)"),
    ("offsetof(struct cnfparamblk, descr)", "offsetof(struct abi_cnfparamblk, descr)"),
    ("sizeof(struct svar)", "sizeof(struct abi_svar)"),
    ("offsetof(struct svar, datatype)", "offsetof(struct abi_svar, datatype)"),
    ("sizeof(struct cnfparamvals)", "sizeof(struct abi_cnfparamvals)"),
    ("offsetof(struct cnfparamvals, bUsed)", "offsetof(struct abi_cnfparamvals, bUsed)"),
    ("sizeof(struct nvlst)", "sizeof(struct abi_nvlst)"),
    ("offsetof(struct nvlst, name)", "offsetof(struct abi_nvlst, name)"),
    ("offsetof(struct nvlst, val)", "offsetof(struct abi_nvlst, val)"),
    ("sizeof(actWrkrIParams_t)", "sizeof(struct abi_actWrkrIParams)"),
    ("offsetof(actWrkrIParams_t, lenBuf)", "offsetof(struct abi_actWrkrIParams, lenBuf)"),
    ("offsetof(actWrkrIParams_t, lenStr)", "offsetof(struct abi_actWrkrIParams, lenStr)"),
    ("sizeof(multi_submit_t)", "sizeof(struct abi_multi_submit_s)"),
    ("offsetof(multi_submit_t, ppMsgs)", "offsetof(struct abi_multi_submit_s, ppMsgs)"),
    ("CNFPARAMBLK_VERSION", "ABI_CNFPARAMBLK_VERSION"),
    ("CONF_OMOD_NUMSTRINGS_MAXSIZE", "ABI_TEMPLATES_PER_ACTION"),
    ("CURR_MOD_IF_VERSION", "ABI_MODULE_INTERFACE_VERSION"),
    ("eMOD_IN", "ABI_MOD_IN"),
    ("eMOD_OUT", "ABI_MOD_OUT"),
    ("eMOD_KEEP", "ABI_MOD_KEEP"),
    ("sFEATURERepeatedMsgReduction", "ABI_FEATURE_REPEATED_MSG_REDUCTION"),
    ("sFEATURENonCancelInputTermination", "ABI_FEATURE_NON_CANCEL_INPUT_TERMINATION"),
    ("eFLOWCTL_NO_DELAY", "ABI_FLOW_NO_DELAY"),
    ("eFLOWCTL_LIGHT_DELAY", "ABI_FLOW_LIGHT_DELAY"),
    ("eFLOWCTL_FULL_DELAY", "ABI_FLOW_FULL_DELAY"),
    ("NEEDS_PARSING", "ABI_NEEDS_PARSING"),
    ("PARSE_HOSTNAME", "ABI_PARSE_HOSTNAME"),
    ("eCmdHdlrString", "ABI_HANDLER_STRING"),
    ("ctrType_IntCtr", "ABI_COUNTER_INT64"),
    ("CTR_FLAG_RESETTABLE", "ABI_COUNTER_RESETTABLE"),
    ("RS_RET_OK", "ABI_RET_OK"),
    ("RS_RET_SUSPENDED", "ABI_RET_SUSPENDED"),
    ("RS_RET_MODULE_ENTRY_POINT_NOT_FOUND", "ABI_RET_MODULE_ENTRY_POINT_NOT_FOUND"),
    ("RS_RET_CONFLINE_UNPROCESSED", "ABI_RET_CONFLINE_UNPROCESSED"),
    ("RS_RET_INCOMPATIBLE", "ABI_RET_INCOMPATIBLE"),
    ("RS_RET_CONFIG_ERROR", "ABI_RET_CONFIG_ERROR"),
    ("RS_RET_MODULE_LOAD_ERR_INIT_FAILED", "ABI_RET_MODULE_LOAD_ERR_INIT_FAILED"),
    ("RS_RET_LEGA_ACT_NOT_SUPPORTED", "ABI_RET_LEGACY_ACTION_NOT_SUPPORTED"),
    ("RS_RET_ERR", "ABI_RET_ERR"),
];

/// A slot of an interface: rsyslog's structure and member, the version it has there, and our slot for that version. The host's
/// structures begin with two ints; each slot is a pointer.
const SLOTS: &[(&str, &str, &str)] = &[
    (
        "glbl_if_t",
        "GetLocalHostName",
        "glblCURR_IF_VERSION == 9 ? ABI_GLBL9_LOCAL_HOST_NAME : ABI_GLBL10_LOCAL_HOST_NAME",
    ),
    (
        "glbl_if_t",
        "GetGlobalInputTermState",
        "glblCURR_IF_VERSION == 9 ? ABI_GLBL9_INPUT_TERM_STATE : ABI_GLBL10_INPUT_TERM_STATE",
    ),
    ("prop_if_t", "Destruct", "ABI_PROP_DESTRUCT"),
    ("prop_if_t", "CreateStringProp", "ABI_PROP_CREATE_STRING"),
    ("datetime_if_t", "getCurrTime", "ABI_DATETIME_GET_CURRENT_TIME"),
    ("ruleset_if_t", "GetRuleset", "ABI_RULESET_GET_RULESET"),
    ("obj_if_t", "UseObj", "ABI_OBJ_USE_OBJ"),
    ("statsobj_if_t", "Construct", "ABI_STATSOBJ_CONSTRUCT"),
    ("statsobj_if_t", "ConstructFinalize", "ABI_STATSOBJ_CONSTRUCT_FINALIZE"),
    ("statsobj_if_t", "Destruct", "ABI_STATSOBJ_DESTRUCT"),
    ("statsobj_if_t", "SetName", "ABI_STATSOBJ_SET_NAME"),
    ("statsobj_if_t", "SetOrigin", "ABI_STATSOBJ_SET_ORIGIN"),
    (
        "statsobj_if_t",
        "AddCounter",
        "statsobjCURR_IF_VERSION == 13 ? ABI_STATSOBJ13_ADD_COUNTER : \
         statsobjCURR_IF_VERSION == 14 ? ABI_STATSOBJ14_ADD_COUNTER : ABI_STATSOBJ16_ADD_COUNTER",
    ),
];

/// What else the module takes for granted.
const TRUE: &[&str] = &[
    "glblCURR_IF_VERSION >= 9 && glblCURR_IF_VERSION <= 11",
    "statsobjCURR_IF_VERSION == 13 || statsobjCURR_IF_VERSION == 14 || statsobjCURR_IF_VERSION == 16",
    "objCURR_IF_VERSION == ABI_OBJ_INTERFACE_VERSION",
    "propCURR_IF_VERSION == ABI_PROP_INTERFACE_VERSION",
    "rulesetCURR_IF_VERSION == ABI_RULESET_INTERFACE_VERSION",
    "datetimeCURR_IF_VERSION == ABI_DATETIME_INTERFACE_VERSION",
    // The tables and the time that the host writes into fit into ours.
    "sizeof(glbl_if_t) <= sizeof(struct abi_interface_s)",
    "sizeof(statsobj_if_t) <= sizeof(struct abi_interface_s)",
    "sizeof(struct syslogTime) <= sizeof(struct abi_time_s)",
    // src/host/message.rs looks for the flags at these places, and at nothing beyond the message.
    "offsetof(smsg_t, msgFlags) >= 16 && offsetof(smsg_t, msgFlags) <= 200 && offsetof(smsg_t, msgFlags) % 4 == 0",
    "offsetof(smsg_t, iLenRawMsg) == offsetof(smsg_t, msgFlags) + 4",
    "offsetof(smsg_t, iLenMSG) == offsetof(smsg_t, msgFlags) + 8",
    "sizeof(smsg_t) >= 212",
    "sizeof(rsRetVal) == sizeof(int)",
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Compiles C from standard input and returns what the compiler said; `None` when it was content.
fn compile(source: &str, arguments: &[String]) -> Option<String> {
    let mut compiler = Command::new("cc")
        .args(["-x", "c", "-std=gnu11", "-D_GNU_SOURCE", "-fsyntax-only", "-w"])
        .args(arguments)
        .arg("-")
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    compiler.stdin.take().unwrap().write_all(source.as_bytes()).unwrap();
    let output = compiler.wait_with_output().unwrap();
    (!output.status.success()).then(|| String::from_utf8_lossy(&output.stderr).into_owned())
}

/// Our header with every struct, typedef and constant that rsyslog has too under a name of its own.
fn our_header() -> String {
    let text = std::fs::read_to_string(root().join("include/rsyslog_abi.h")).unwrap();
    let structs = ["cnfparamdescr", "cnfparamblk", "svar", "cnfparamvals", "nvlst", "actWrkrIParams", "multi_submit_s"];
    let others = [
        "es_str_s",
        "es_str_t",
        "actWrkrIParams_t",
        "multi_submit_t",
        "interface_s",
        "interface_t",
        "uchar",
        "rsRetVal",
        "smsg_s",
        "smsg_t",
        "prop_s",
        "prop_t",
        "ruleset_s",
        "ruleset_t",
        "rsconf_s",
        "rsconf_t",
        "thrdInfo_s",
        "thrdInfo_t",
        "statsobj_s",
        "statsobj_t",
        "omodStringRequest_s",
        "omodStringRequest_t",
    ];
    let mut renames = String::new();
    let mut restores = String::new();
    for name in structs.iter().chain(&others) {
        renames.push_str(&format!("#define {name} abi_{name}\n"));
        restores.push_str(&format!("#undef {name}\n"));
    }
    format!("{renames}{text}{restores}")
}

#[test]
fn the_header_compiles_by_itself() {
    let said = compile(&our_header(), &[]);
    assert_eq!(said, None);
}

#[test]
#[ignore = "RSYSLOG_SOURCE_DIR has to name a configured rsyslog source tree"]
fn layouts_and_constants_are_those_of_rsyslogs_own_headers() {
    let directory = std::env::var_os("RSYSLOG_SOURCE_DIR").expect("RSYSLOG_SOURCE_DIR names no rsyslog source tree");
    let directory = Path::new(&directory);
    let mut source = our_header();
    source.push_str(
        "#include <config.h>\n#include <stddef.h>\n#include \"rsyslog.h\"\n#include \"conf.h\"\n#include \"modules.h\"\n\
         #include \"module-template.h\"\n#include \"msg.h\"\n#include \"statsobj.h\"\n#include \"rainerscript.h\"\n\
         #include \"obj.h\"\n#include \"glbl.h\"\n#include \"prop.h\"\n#include \"datetime.h\"\n#include \"ruleset.h\"\n",
    );
    for (theirs, ours) in SAME {
        source.push_str(&format!("_Static_assert((long)({theirs}) == (long)({ours}), \"{theirs}\");\n"));
    }
    for (interface, member, slot) in SLOTS {
        source.push_str(&format!(
            "_Static_assert((long)offsetof({interface}, {member}) == 2 * (long)sizeof(int) + (long)sizeof(void *) * ({slot}), \
             \"{interface}.{member}\");\n"
        ));
    }
    for expression in TRUE {
        source.push_str(&format!("_Static_assert({expression}, \"{expression}\");\n"));
    }
    let mut arguments: Vec<String> = ["", "runtime", "grammar", "tools"]
        .iter()
        .map(|part| format!("-I{}", directory.join(part).display()))
        .collect();
    let flags = Command::new("pkg-config").args(["--cflags", "libestr", "libfastjson"]).output().unwrap();
    arguments.extend(String::from_utf8_lossy(&flags.stdout).split_whitespace().map(str::to_owned));
    let said = compile(&source, &arguments);
    assert_eq!(said, None, "against {}", directory.display());
}

#[test]
fn a_wrong_layout_would_be_noticed() {
    let source = format!("{}_Static_assert(sizeof(struct abi_svar) == 17, \"wrong\");\n", our_header());
    assert!(compile(&source, &[]).is_some_and(|said| said.contains("wrong")));
}
