/* The part of rsyslogd's module ABI that rsyslog-zmq uses, in our own words.
 *
 * rsyslog ships no development headers and promises no stable ABI. What stands here holds for every release from
 * 8.1901 to 8.2608 unless a line says otherwise; tests/abi_layout.rs compiles the same layouts against rsyslog's own
 * headers when RSYSLOG_SOURCE_DIR names a configured source tree. References are to files of v8.2302.0.
 *
 * Opaque types are only ever handled by pointer. Functions are looked up by name when the module is loaded; the types
 * below are their signatures.
 */
#ifndef RSYSLOG_ZMQ_RSYSLOG_ABI_H
#define RSYSLOG_ZMQ_RSYSLOG_ABI_H

/* Only what the compiler itself brings: the header is translated for any target, without that target's C library. */
#include <stddef.h>
#include <stdint.h>

typedef unsigned char uchar;
/* rsRetVal: a C enum, 32 bits, signed (runtime/rsyslog.h). */
typedef int rsRetVal;

/* --- opaque types ------------------------------------------------------------------------------------------- */
typedef struct smsg_s smsg_t;         /* one log message, runtime/msg.h */
typedef struct prop_s prop_t;         /* a shared string, runtime/prop.h */
typedef struct ruleset_s ruleset_t;   /* runtime/ruleset.h */
typedef struct rsconf_s rsconf_t;     /* one loaded configuration, runtime/rsconf.h */
typedef struct thrdInfo_s thrdInfo_t; /* an input's thread, threads.h */
typedef struct statsobj_s statsobj_t; /* runtime/statsobj.h */
typedef struct omodStringRequest_s omodStringRequest_t; /* the templates an action wants, runtime/objomsr.h */
struct json_object;                   /* libfastjson */

/* --- constants ---------------------------------------------------------------------------------------------- */
enum {
	/* CURR_MOD_IF_VERSION, runtime/module-template.h */
	ABI_MODULE_INTERFACE_VERSION = 6,
	/* CURR_OBJ_IF_VERSION, runtime/obj.h */
	ABI_OBJ_INTERFACE_VERSION = 2,
	ABI_PROP_INTERFACE_VERSION = 1,
	ABI_RULESET_INTERFACE_VERSION = 8,
	/* CNFPARAMBLK_VERSION, grammar/rainerscript.h */
	ABI_CNFPARAMBLK_VERSION = 1,
	/* CONF_OMOD_NUMSTRINGS_MAXSIZE, runtime/conf.h: templates per action */
	ABI_TEMPLATES_PER_ACTION = 5,
	/* the longest line LogError and LogMsg can write, runtime/errmsg.c */
	ABI_LOG_LINE_MAX = 2048
};

/* eModType_t, eModKeepType_t: runtime/modules.h */
enum { ABI_MOD_IN = 0, ABI_MOD_OUT = 1 };
enum { ABI_MOD_KEEP = 1 };

/* syslogFeature: runtime/rsyslog.h */
enum {
	ABI_FEATURE_REPEATED_MSG_REDUCTION = 1,
	ABI_FEATURE_NON_CANCEL_INPUT_TERMINATION = 2
};

/* flowControl_t: runtime/rsyslog.h */
enum { ABI_FLOW_NO_DELAY = 0, ABI_FLOW_LIGHT_DELAY = 1, ABI_FLOW_FULL_DELAY = 2 };

/* msgFlags: runtime/msg.h */
enum { ABI_NEEDS_PARSING = 0x10, ABI_PARSE_HOSTNAME = 0x20 };

/* ecslCmdHdrlType: runtime/cfsysline.h. Every parameter of ours is declared a string, so that its range and its error
 * text are ours; see src/host/parameters.rs. */
enum { ABI_HANDLER_STRING = 14 };

/* statsobj: runtime/statsobj.h */
enum { ABI_COUNTER_INT64 = 0 };
enum { ABI_COUNTER_KEEP = 0, ABI_COUNTER_RESETTABLE = 1 };

/* rsRetVal values: runtime/rsyslog.h */
enum {
	ABI_RET_OK = 0,
	ABI_RET_NO_ERRCODE = -1,
	ABI_RET_MODULE_ENTRY_POINT_NOT_FOUND = -1004,
	ABI_RET_CONFLINE_UNPROCESSED = -2001,
	ABI_RET_INCOMPATIBLE = -2003,
	ABI_RET_SUSPENDED = -2007,
	ABI_RET_CONFIG_ERROR = -2046,
	ABI_RET_MODULE_LOAD_ERR_INIT_FAILED = -2068,
	ABI_RET_LEGACY_ACTION_NOT_SUPPORTED = -2215,
	ABI_RET_ERR = -3000
};

/* syslog severities for LogMsg: syslog.h */
enum {
	ABI_SEVERITY_WARNING = 4,
	ABI_SEVERITY_NOTICE = 5,
	ABI_SEVERITY_INFO = 6
};

/* --- configuration parameters: grammar/rainerscript.h, libestr.h --------------------------------------------- */

/* A string of libestr: the bytes follow the header and have no NUL at their end. */
typedef struct es_str_s {
	uint32_t lenStr;
	uint32_t lenBuf;
} es_str_t;

struct cnfparamdescr {
	const char *name;
	int type;
	unsigned flags;
};

struct cnfparamblk {
	unsigned short version;
	unsigned short nParams;
	struct cnfparamdescr *descr;
};

/* The value of one parameter; datatype is 'S' for estr, 'N' for n. */
struct svar {
	union {
		es_str_t *estr;
		void *ar;
		struct json_object *json;
		long long n;
	} d;
	char datatype;
};

struct cnfparamvals {
	struct svar val;
	unsigned char bUsed;
};

/* The list of name="value" pairs that one object of the configuration was written with. */
struct nvlst {
	struct nvlst *next;
	es_str_t *name;
	struct svar val;
	unsigned char bUsed;
};

/* --- actions: runtime/rsyslog.h:727 -------------------------------------------------------------------------- */

/* One rendered template of one message. lenStr is stale for subtree templates before 8.2508 (template.c:176): the
 * length is strnlen(param, lenBuf). Message m, template t: iparams[m * templates + t]. */
typedef struct actWrkrIParams {
	uchar *param;
	uint32_t lenBuf;
	uint32_t lenStr;
} actWrkrIParams_t;

/* --- message batches: runtime/rsyslog.h ---------------------------------------------------------------------- */
typedef struct multi_submit_s {
	short maxElem;
	short nElem;
	smsg_t **ppMsgs;
} multi_submit_t;

/* --- object interfaces: runtime/obj.h and the objects' headers ------------------------------------------------ */

typedef void abi_slot_t(void);

/* Every interface begins with these two ints; the host fills in slots behind them. The table is larger than any of the
 * host's (glbl has 512 bytes in 8.2606), because the host writes every slot it has. */
typedef struct interface_s {
	int ifVersion;
	int ifIsLoaded;
	abi_slot_t *slots[126];
} interface_t;

/* obj, version 2 */
enum { ABI_OBJ_USE_OBJ = 0 };
typedef rsRetVal abi_use_obj_t(const char *srcFile, uchar *objName, uchar *objFile, interface_t *pIf);

/* glbl: version 9 up to 8.2112, 10 up to 8.2604, 11 since 8.2606. Only slots that never moved within a version. */
enum {
	ABI_GLBL9_LOCAL_HOST_NAME = 18,
	ABI_GLBL9_INPUT_TERM_STATE = 50,
	ABI_GLBL10_LOCAL_HOST_NAME = 10,
	ABI_GLBL10_INPUT_TERM_STATE = 16
};
typedef uchar *abi_local_host_name_t(void);
typedef int abi_input_term_state_t(void);

/* prop, version 1 */
enum { ABI_PROP_DESTRUCT = 3, ABI_PROP_CREATE_STRING = 8 };
typedef rsRetVal abi_prop_destruct_t(prop_t **ppThis);
typedef rsRetVal abi_prop_create_string_t(prop_t **ppThis, const uchar *psz, int len);

/* The host's time_t where a pointer has 64 bits. Where it has 32, the width is that of the C library's age and of how the
 * host was built (_TIME_BITS), and cannot be known: nothing that takes one is called there. */
typedef int64_t abi_seconds_t;

/* datetime, version 11. The time structure is smaller than this in every release (8.2302: 20 bytes). */
enum { ABI_DATETIME_INTERFACE_VERSION = 11, ABI_DATETIME_GET_CURRENT_TIME = 0 };
typedef struct abi_time_s { uint64_t opaque[16]; } abi_time_t;
typedef void abi_get_current_time_t(abi_time_t *time, abi_seconds_t *seconds, int inUTC);

/* ruleset, version 8 */
enum { ABI_RULESET_GET_RULESET = 8 };

/* statsobj: version 13 up to 8.2512, 14 up to 8.2606, 16 since 8.2608; the slots before AddCounter never moved */
enum {
	ABI_STATSOBJ_CONSTRUCT = 1,
	ABI_STATSOBJ_CONSTRUCT_FINALIZE = 2,
	ABI_STATSOBJ_DESTRUCT = 3,
	ABI_STATSOBJ_SET_NAME = 4,
	ABI_STATSOBJ_SET_ORIGIN = 5,
	ABI_STATSOBJ13_ADD_COUNTER = 10,
	ABI_STATSOBJ14_ADD_COUNTER = 11,
	ABI_STATSOBJ16_ADD_COUNTER = 12
};
typedef rsRetVal abi_statsobj_construct_t(statsobj_t **ppThis);
typedef rsRetVal abi_statsobj_finalize_t(statsobj_t *pThis);
typedef rsRetVal abi_statsobj_destruct_t(statsobj_t **ppThis);
typedef rsRetVal abi_statsobj_set_text_t(statsobj_t *pThis, uchar *text);
typedef rsRetVal abi_statsobj_add_counter_t(statsobj_t *pThis, const uchar *name, int type, int8_t flags, void *counter);

/* --- functions that the module gets from the host at modInit -------------------------------------------------- */
typedef rsRetVal abi_query_entry_point_t(uchar *name, abi_slot_t **ppEntryPoint);
typedef rsRetVal abi_host_query_t(uchar *name, abi_slot_t **ppFunction);
typedef rsRetVal abi_get_obj_interface_t(interface_t *pIf);

/* --- functions that rsyslogd exports (nm -D), by name ----------------------------------------------------------- */
typedef void abi_LogError_t(int errnum, int code, const char *fmt, ...);
typedef void abi_LogMsg_t(int errnum, int code, int severity, const char *fmt, ...);

/* to the debug log, where there is one; srcname ends in ".c". Absent from a host built with --enable-debugless. */
typedef void abi_r_dbgprintf_t(const char *srcname, const char *fmt, ...);

typedef struct cnfparamvals *abi_nvlstGetParams_t(struct nvlst *lst, struct cnfparamblk *params, struct cnfparamvals *vals);
typedef void abi_cnfparamvalsDestruct_t(const struct cnfparamvals *vals, const struct cnfparamblk *params);

typedef rsRetVal abi_OMSRconstruct_t(omodStringRequest_t **ppThis, int entries);
typedef rsRetVal abi_OMSRdestruct_t(omodStringRequest_t *pThis);
/* takes ownership of templateName, which the host frees with free(3) */
typedef rsRetVal abi_OMSRsetEntry_t(omodStringRequest_t *pThis, int entry, uchar *templateName, int options);

typedef rsRetVal abi_rulesetGetRuleset_t(rsconf_t *conf, ruleset_t **ppRuleset, uchar *name);

typedef rsRetVal abi_msgConstruct_t(smsg_t **ppThis);

typedef rsRetVal abi_msgConstructWithTime_t(smsg_t **ppThis, const abi_time_t *time, abi_seconds_t seconds);
typedef rsRetVal abi_msgDestruct_t(smsg_t **ppThis);
typedef smsg_t *abi_MsgDup_t(smsg_t *pThis);
typedef void abi_MsgSetRawMsg_t(smsg_t *pThis, const char *text, size_t length);
typedef void abi_MsgSetInputName_t(smsg_t *pThis, prop_t *name);
typedef void abi_MsgSetRcvFrom_t(smsg_t *pThis, prop_t *host);
typedef rsRetVal abi_MsgSetRcvFromIP_t(smsg_t *pThis, prop_t *ip);
typedef rsRetVal abi_MsgSetFlowControlType_t(smsg_t *pThis, int type);
typedef void abi_MsgSetRuleset_t(smsg_t *pThis, ruleset_t *ruleset);
/* the offset was a short before 8.1904: the same register */
typedef rsRetVal abi_MsgSetAfterPRIOffs_t(smsg_t *pThis, int offset);
typedef void abi_MsgSetMSGoffs_t(smsg_t *pThis, int offset);
typedef void abi_setProtocolVersion_t(smsg_t *pThis, int version);
/* takes ownership of json */
typedef rsRetVal abi_msgAddJSON_t(smsg_t *pThis, uchar *name, struct json_object *json, int forceReset, int sharedReference);

/* libfastjson, which rsyslogd itself is linked against */
typedef struct json_object *abi_fjson_object_new_object_t(void);
typedef struct json_object *abi_fjson_object_new_string_len_t(const char *text, int length);
typedef void abi_fjson_object_object_add_t(struct json_object *object, const char *key, struct json_object *value);

/* both consume the message, whatever they return */
typedef rsRetVal abi_submitMsg2_t(smsg_t *pMsg);
/* no oversize handling; all go to the queue of the first one's ruleset */
typedef rsRetVal abi_multiSubmitMsg2_t(multi_submit_t *batch);
struct syslogTime;
typedef rsRetVal abi_parseAndSubmitMessage_t(const uchar *hname, const uchar *hnameIP, const uchar *msg, int len, int flags,
	int flowCtlType, prop_t *inputName, const struct syslogTime *stTime, abi_seconds_t ttGenTime, ruleset_t *ruleset);

/* took no argument up to 8.2112; the extra register is harmless there */
typedef int abi_glblGetMaxLine_t(rsconf_t *conf);

#endif
