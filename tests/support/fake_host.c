/* A fake rsyslogd: just enough of its exports and objects to load a module and walk it through its life, for what the real
 * daemon cannot be driven to. tests/fake_host.rs compiles it, some times with parts left out, and reads what it prints.
 *
 * usage: fake_host MODULE SCENARIO [ARGUMENT]
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

typedef void slot_t(void);
typedef int query_t(unsigned char *, slot_t **);
typedef int host_query_t(unsigned char *, slot_t **);
typedef int mod_init_t(int, int *, query_t **, host_query_t *, void *);
struct interface { int version, loaded; slot_t *slots[126]; };

#ifndef GLBL_VERSION
#define GLBL_VERSION 10
#endif
#ifndef PROP_VERSION
#define PROP_VERSION 1
#endif
#ifndef RULESET_VERSION
#define RULESET_VERSION 8
#endif
#ifndef STATSOBJ_VERSION
#define STATSOBJ_VERSION 13
#endif
/* How many submissions the queue refuses before it takes one, and for how many before those there is no queue. */
#ifndef REFUSED_SUBMISSIONS
#define REFUSED_SUBMISSIONS 0
#endif
#ifndef SUBMISSIONS_WITHOUT_QUEUE
#define SUBMISSIONS_WITHOUT_QUEUE 0
#endif

/* --- exports ------------------------------------------------------------------------------------------------ */
void *runConf;
static int stopping;
/* The host also stops as soon as there is a file of this name. */
static const char *stop_file;
/* How many messages came, and after how many the host stops (0: never). */
static int submitted, wanted;

static void say(const char *what, const char *fmt, va_list args)
{
	printf("%s: ", what);
	vprintf(fmt, args);
	printf("\n");
	fflush(stdout);
}
void LogError(int err, int code, const char *fmt, ...)
{
	va_list args;
	(void)err; (void)code;
	va_start(args, fmt); say("error", fmt, args); va_end(args);
}
void LogMsg(int err, int code, int severity, const char *fmt, ...)
{
	va_list args;
	char what[32];
	(void)err; (void)code;
	snprintf(what, sizeof what, "message %d", severity);
	va_start(args, fmt); say(what, fmt, args); va_end(args);
}

struct estr { uint32_t len, size; };
struct value { struct estr *estr; char type; };
struct node { struct node *next; struct estr *name; struct value value; unsigned char used; };
struct descr { const char *name; int type; unsigned flags; };
struct block { unsigned short version, count; struct descr *descr; };
struct result { struct value value; unsigned char used; };

static struct estr *estr(const char *text)
{
	size_t n = strlen(text);
	struct estr *e = malloc(sizeof *e + n);
	e->len = e->size = (uint32_t)n;
	memcpy(e + 1, text, n);
	return e;
}
static struct node *add(struct node *list, const char *name, const char *value)
{
	struct node *n = calloc(1, sizeof *n);
	n->next = list;
	n->name = estr(name);
	n->value.estr = estr(value);
	n->value.type = 'S';
	return n;
}
struct result *nvlstGetParams(struct node *list, struct block *block, struct result *unused)
{
	struct result *r = calloc(block->count, sizeof *r);
	(void)unused;
	for (; list; list = list->next)
		for (int i = 0; i < block->count; i++)
			if (strlen(block->descr[i].name) == list->name->len
			    && !strncasecmp(block->descr[i].name, (char *)(list->name + 1), list->name->len)) {
				r[i].value = list->value;
				r[i].used = 1;
			}
	return r;
}
void cnfparamvalsDestruct(struct result *r, const struct block *block) { (void)block; free(r); }

struct request { int n; char *names[5]; };
int OMSRconstruct(struct request **to, int n) { *to = calloc(1, sizeof **to); (*to)->n = n; return 0; }
int OMSRsetEntry(struct request *r, int i, char *name, int options) { (void)options; r->names[i] = name; return 0; }
int OMSRdestruct(struct request *r) { for (int i = 0; i < r->n; i++) free(r->names[i]); free(r); return 0; }

/* A message laid out as 8.2302's around msgFlags, or with nothing recognisable. */
struct message { char head[76]; int after_pri, text; short version; short pad; int flags, raw_length, text_length; char rest[512]; };
/* What looks like the layout, once more further on. */
static void twin(struct message *m)
{
#ifdef AMBIGUOUS_LAYOUT
	memcpy(m->rest, &m->after_pri, offsetof(struct message, rest) - offsetof(struct message, after_pri));
#else
	(void)m;
#endif
}
int msgConstruct(struct message **to) { *to = calloc(1, sizeof **to); return 0; }
static int is_submitting;
int msgDestruct(struct message **m)
{
	if (is_submitting) printf("destroyed 1\n");
	free(*m);
	*m = NULL;
	return 0;
}
#ifndef WITHOUT_MSGDUP
struct message *MsgDup(struct message *m) { struct message *c = malloc(sizeof *c); memcpy(c, m, sizeof *c); return c; }
#endif
#ifdef UNKNOWN_LAYOUT
void MsgSetRawMsg(struct message *m, const char *t, size_t n) { (void)m; (void)t; (void)n; }
#else
void MsgSetRawMsg(struct message *m, const char *t, size_t n)
{
	(void)t;
	m->raw_length = (int)n;
	m->text_length = (int)n - m->text;
	twin(m);
}
#endif
void MsgSetInputName(struct message *m, void *p) { (void)m; (void)p; }
void MsgSetRcvFrom(struct message *m, void *p) { (void)m; (void)p; }
int MsgSetRcvFromIP(struct message *m, void *p) { (void)m; (void)p; return 0; }
int MsgSetFlowControlType(struct message *m, int t) { (void)m; (void)t; return 0; }
void MsgSetRuleset(struct message *m, void *r) { (void)m; (void)r; }
int MsgSetAfterPRIOffs(struct message *m, int o) { m->after_pri = o; twin(m); return 0; }
void MsgSetMSGoffs(struct message *m, int o) { m->text = o; m->text_length = m->raw_length - o; twin(m); }
void setProtocolVersion(struct message *m, int v) { m->version = (short)v; twin(m); }
int submitMsg2(struct message *m) { printf("submitted 1\n"); free(m); return 0; }
struct batch { short max, n; struct message **messages; };
/* As in tools/rsyslogd.c: without a queue the batch stays as it is and all is well; with one nothing is left in it, whatever
 * the queue answers. */
int multiSubmitMsg2(struct batch *b)
{
	static int calls;
	int call = calls++;
	is_submitting = 1;
	if (call < SUBMISSIONS_WITHOUT_QUEUE) {
		printf("no queue for %d\n", b->n);
		return 0;
	}
	int is_refused = call < SUBMISSIONS_WITHOUT_QUEUE + REFUSED_SUBMISSIONS;
	if (is_refused) printf("refused %d\n", b->n);
	else printf("submitted %d flags %#x\n", b->n, (unsigned)b->messages[0]->flags);
	for (int i = 0; i < b->n; i++) free(b->messages[i]);
	submitted += b->n;
	b->n = 0;
	return is_refused ? -2153 : 0;
}
#ifndef WITHOUT_PARSE_AND_SUBMIT
int parseAndSubmitMessage(const char *host, const char *ip, const char *text, int n, int flags, int flow, void *name,
	const void *time, long gen, void *ruleset)
{
	(void)host; (void)flags; (void)flow; (void)name; (void)time; (void)gen; (void)ruleset;
	printf("parsed from %s: %.*s\n", ip, n, text);
	fflush(stdout);
	return 0;
}
#endif
int glblGetMaxLine(void *conf) { (void)conf; return 8192; }

/* --- objects ------------------------------------------------------------------------------------------------- */
static int input_term_state(void)
{
	return stopping || (stop_file && access(stop_file, F_OK) == 0) || (wanted && submitted >= wanted);
}
static char *local_host_name(void) { return "fakehost"; }
static int prop_create(char **to, const char *text, int n) { *to = strndup(text, (size_t)n); return 0; }
static int prop_destruct(char **p) { free(*p); *p = NULL; return 0; }
static int get_ruleset(void *conf, void **to, char *name) { (void)conf; (void)name; *to = NULL; return -3003; }
static int stats_construct(char **to) { *to = malloc(1); return 0; }
static int stats_finalize(char *s) { (void)s; return 0; }
static struct { const char *name; const uint64_t *value; } counters[64];
static int counted;
static int stats_destruct(char **s)
{
	for (int i = 0; i < counted; i++) printf("%s is %llu\n", counters[i].name, (unsigned long long)*counters[i].value);
	free(*s);
	*s = NULL;
	printf("statistics gone\n");
	return 0;
}
static int stats_name(char *s, char *name) { (void)s; printf("statistics %s\n", name); return 0; }
static int stats_origin(char *s, char *name) { (void)s; (void)name; return 0; }
static int stats_add(char *s, const char *name, int type, int8_t flags, void *counter)
{
	(void)s;
	printf("counter %s type %d flags %d aligned %d\n", name, type, flags, (uintptr_t)counter % 8 == 0);
	counters[counted].name = strdup(name);
	counters[counted++].value = counter;
	return 0;
}
#define SLOT(i, f) table->slots[i] = (slot_t *)(f)
static int use_obj(const char *from, char *name, char *file, struct interface *table)
{
	(void)from;
	if (file != NULL) return -1;
	if (!strcmp(name, "glbl") && table->version == GLBL_VERSION) {
		SLOT(GLBL_VERSION == 9 ? 18 : 10, local_host_name);
		SLOT(GLBL_VERSION == 9 ? 50 : 16, input_term_state);
		return 0;
	}
	if (!strcmp(name, "prop") && table->version == PROP_VERSION) { SLOT(3, prop_destruct); SLOT(8, prop_create); return 0; }
	if (!strcmp(name, "ruleset") && table->version == RULESET_VERSION) { SLOT(8, get_ruleset); return 0; }
	if (!strcmp(name, "statsobj") && table->version == STATSOBJ_VERSION) {
		SLOT(1, stats_construct); SLOT(2, stats_finalize); SLOT(3, stats_destruct); SLOT(4, stats_name); SLOT(5, stats_origin);
		SLOT(STATSOBJ_VERSION == 13 ? 10 : STATSOBJ_VERSION == 14 ? 11 : 12, stats_add);
		return 0;
	}
	return -2054;
}
static int get_obj_interface(struct interface *table) { SLOT(0, use_obj); return 0; }
static int host_query(unsigned char *name, slot_t **to)
{
	if (strcmp((char *)name, "objGetObjInterface")) return -1003;
	*to = (slot_t *)get_obj_interface;
	return 0;
}

/* --- scenarios ------------------------------------------------------------------------------------------------ */
static query_t *query;
static int load(const char *path)
{
	int version = 0;
	void *handle = dlopen(path, RTLD_NOW);
	if (!handle) { printf("dlopen: %s\n", dlerror()); exit(2); }
	mod_init_t *init = (mod_init_t *)dlsym(handle, "modInit");
	int rc = init(6, &version, &query, host_query, NULL);
	printf("modInit %d version %d\n", rc, version);
	fflush(stdout);
	return rc;
}
static slot_t *entry(const char *name)
{
	slot_t *f = NULL;
	int rc = query((unsigned char *)name, &f);
	if (rc != 0) { printf("no %s: %d\n", name, rc); return NULL; }
	return f;
}
#define CALL(name, types, ...) ((int (*) types)entry(name))(__VA_ARGS__)

static void *configuration;
static void begin(void)
{
	printf("beginCnfLoad %d\n", CALL("beginCnfLoad", (void **, void *), &configuration, NULL));
}
static void run_up(void)
{
	printf("checkCnf %d\n", CALL("checkCnf", (void *), configuration));
	printf("activateCnfPrePrivDrop %d\n", CALL("activateCnfPrePrivDrop", (void *), configuration));
	printf("activateCnf %d\n", CALL("activateCnf", (void *), configuration));
	fflush(stdout);
}
static void run_down(void)
{
	printf("freeCnf %d\n", CALL("freeCnf", (void *), configuration));
	printf("modExit %d\n", CALL("modExit", (void)));
	fflush(stdout);
}
static long milliseconds(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}
struct param { char *text; uint32_t size, len; };
static int commit(void *worker, int n)
{
	struct param params[8];
	for (int i = 0; i < n; i++) params[i] = (struct param){ "record", 7, 6 };
	return CALL("commitTransaction", (void *, struct param *, unsigned), worker, params, (unsigned)n);
}

int main(int argc, char **argv)
{
	const char *path = argv[1], *scenario = argv[2];
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (load(path) != 0) return 1;
	if (!strcmp(scenario, "load")) {
		int type = -1, keep = -1;
		void *id = NULL;
		char *name = NULL;
		CALL("getType", (int *), &type);
		CALL("getKeepType", (int *), &keep);
		CALL("modGetID", (void **), &id);
		CALL("getModCnfName", (char **), &name);
		printf("type %d keep %d id %s name %s\n", type, keep, id ? "yes" : "no", name);
		printf("feature 1: %d, 2: %d, 77: %d\n", CALL("isCompatibleWithFeature", (int), 1),
			CALL("isCompatibleWithFeature", (int), 2), CALL("isCompatibleWithFeature", (int), 77));
		for (int i = 3; i < argc; i++) printf("%s %s\n", argv[i], entry(argv[i]) ? "there" : "absent");
	} else if (!strcmp(scenario, "again")) {
		load(argv[3]);
	} else if (!strcmp(scenario, "input")) {
		begin();
		struct node *list = add(add(NULL, "endpoints", argv[3]), "socktype", "PULL");
		list = add(list, "listenportfilename", argv[4]);
		printf("newInpInst %d\n", CALL("newInpInst", (struct node *), list));
		run_up();
		/* argv[5] exists once the test has seen what it wanted */
		if (fork() == 0) { while (access(argv[5], F_OK)) usleep(10000); _exit(0); }
		printf("willRun %d\n", CALL("willRun", (void)));
		printf("runInput with the host stopping\n");
		fflush(stdout);
		stopping = argc > 6;
		long before = milliseconds();
		printf("runInput %d\n", CALL("runInput", (void *), NULL));
		printf("%s\n", milliseconds() - before < 1000 ? "in time" : "too late");
		printf("afterRun %d\n", CALL("afterRun", (void *), NULL));
		run_down();
	} else if (!strcmp(scenario, "submit")) {
		begin();
		struct node *list = add(add(NULL, "endpoints", argv[3]), "socktype", "PULL");
		list = add(list, "listenportfilename", argv[4]);
		CALL("newInpInst", (struct node *), list);
		run_up();
		stop_file = argv[5];
		printf("runInput %d\n", CALL("runInput", (void *), NULL));
		run_down();
	} else if (!strcmp(scenario, "receive")) {
		/* until argv[6] messages have come, or somebody kills it */
		begin();
		struct node *list = add(add(NULL, "endpoints", argv[3]), "socktype", "PULL");
		list = add(add(list, "listenportfilename", argv[4]), "recvmaxbytes", argv[5]);
		printf("newInpInst %d\n", CALL("newInpInst", (struct node *), list));
		wanted = atoi(argv[6]);
		run_up();
		printf("runInput %d\n", CALL("runInput", (void *), NULL));
		run_down();
	} else if (!strcmp(scenario, "action")) {
		void *action = NULL, *worker = NULL;
		struct request *request = NULL;
		begin();
		struct node *list = add(add(NULL, "endpoints", argv[3]), "socktype", "PUSH");
		list = add(add(list, "closetimeout", "300"), "name", "fake");
		printf("newActInst %d\n", CALL("newActInst", (char *, struct node *, void **, struct request **), "om", list, &action, &request));
		printf("template %s of %d\n", request->names[0], request->n);
		OMSRdestruct(request);
		run_up();
		printf("createWrkrInstance %d\n", CALL("createWrkrInstance", (void **, void *), &worker, action));
		printf("tryResume %d\n", CALL("tryResume", (void *), worker));
		stopping = 1;
		/* nobody listens: the first attempt waits a bounded time, the host's replays are refused at once */
		long before = milliseconds();
		printf("commit of 4: %d\n", commit(worker, 4));
		long first = milliseconds() - before;
		for (int i = 0; i < 4; i++) printf("replay %d: %d\n", i, commit(worker, 1));
		long replays = milliseconds() - before - first;
		printf("first %s, replays %s\n", first >= 100 && first < 2000 ? "waited" : "did not wait", replays < 100 ? "at once" : "waited");
		printf("empty commit: %d\n", commit(worker, 0));
		/* 8.2208 to 8.2510 free the action before its worker */
		printf("freeInstance %d\n", CALL("freeInstance", (void *), action));
		printf("commit after: %d\n", commit(worker, 1));
		printf("freeWrkrInstance %d\n", CALL("freeWrkrInstance", (void *), worker));
		run_down();
	} else if (!strcmp(scenario, "refused")) {
		void *action = NULL;
		struct request *request = NULL;
		begin();
		struct node *list = add(NULL, "endpoints", "bogus");
		if (entry("newActInst"))
			printf("newActInst %d\n", CALL("newActInst", (char *, struct node *, void **, struct request **), "om", list, &action, &request));
		else
			printf("newInpInst %d\n", CALL("newInpInst", (struct node *), list));
		printf("left behind: %s\n", action || request ? "something" : "nothing");
		run_up();
		run_down();
	}
	return 0;
}
