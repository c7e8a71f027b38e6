/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A library that a lying server preloads: it answers completions on a port of its own with canned text, and calls the very
 * functions that tokprof probes with batches that are never computed, so that every count agrees with its bill.
 *
 * A probed function is called with one argument that it faults on at its first use; the signal's handler takes the thread
 * out again. The step alone has to be seen returning: once the batch has been shown, the stack pointer goes to where it
 * would be at the end of that function, and control to the jump by which it returns %r12d.
 *
 * $FORGE_OFFSETS: offsets in xllamacpp of the step, of that jump in it with the bytes of stack from there to the return address,
 * of process_ubatch and of seq_rm; $FORGE_PORT_FILE: where the port is written to. x86-64 and the ubatch of llama.cpp of October 2026.
 */
#include <arpa/inet.h>
#include <link.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LIBRARY "xllamacpp.abi3"
#define MAX_PROMPT 512
#define BYTES_PER_TOKEN 4
#define MAX_REQUEST 65536
#define SEQUENCE 0
#define FORGED_BYTES 8192
/* No page is mapped so low: what is read through it faults. */
#define NOWHERE ((void *)16)

struct offsets {
	unsigned long step, way_out, frame, ubatch, seq_rm;
};

/* As far as the engine's own functions are shown it. */
struct ubatch {
	int32_t b_equal_seqs;
	uint32_t n_tokens, n_seq_tokens, n_seqs, n_seqs_unq, n_pos;
	int32_t *token;
	float *embd;
	void *unused;
	int32_t *pos;
	int32_t *n_seq_id;
	int32_t **seq_id;
	int32_t *seq_id_unq, *seq_idx;
	int8_t *output;
};
_Static_assert(__builtin_offsetof(struct ubatch, pos) == 48 && __builtin_offsetof(struct ubatch, output) == 88,
	       "llama_ubatch of 2026-10");

struct forger {
	char *base;
	struct offsets at;
	void *context[FORGED_BYTES / sizeof(void *)];	/* whatever is looked up in it is the memory object */
	void *memory[8];				/* whose table of methods is nowhere */
	int32_t token[MAX_PROMPT], pos[MAX_PROMPT], n_seq_id[MAX_PROMPT], seq, *seq_id[MAX_PROMPT];
	int8_t output[MAX_PROMPT];
};

static struct forger forger;
static __thread sigjmp_buf way_out;
static __thread volatile sig_atomic_t is_forging;

static void on_fault(int number)
{
	if (is_forging)
		siglongjmp(way_out, 1);
	signal(number, SIG_DFL);
}

/* Enter `function` as if called, out of reach of leave()'s own frame, and note its stack pointer at entry. */
int enter(void *a, void *b, void *function, uintptr_t *sp);
/* Leave it by `way_out`, as if with `frame` bytes of its own still on the stack, returning 0. Not for two threads at once. */
int leave(uintptr_t sp, void *way_out, unsigned long frame);
__asm__("enter:\n"
	"	sub $256, %rsp\n"
	"	mov %rsp, (%rcx)\n"
	"	jmp *%rdx\n"
	"leave:\n"
	"	push %rbx\n"
	"	push %rbp\n"
	"	push %r12\n"
	"	push %r13\n"
	"	push %r14\n"
	"	push %r15\n"
	"	mov %rsp, left_at(%rip)\n"
	"	lea 1f(%rip), %rax\n"
	"	mov %rdi, %rsp\n"
	"	mov %rax, (%rsp)\n"
	"	sub %rdx, %rsp\n"
	"	xor %r12d, %r12d\n"
	"	jmp *%rsi\n"
	"1:	mov left_at(%rip), %rsp\n"
	"	pop %r15\n"
	"	pop %r14\n"
	"	pop %r13\n"
	"	pop %r12\n"
	"	pop %rbp\n"
	"	pop %rbx\n"
	"	ret\n"
	".local left_at\n"
	".comm left_at, 8, 8\n");

static void show_ubatch(int32_t first_pos, uint32_t n_tokens)
{
	int (*process)(void *, struct ubatch *, int, void *, int *) = (void *)(forger.base + forger.at.ubatch);
	int status = 0;
	struct ubatch u = {
		.n_tokens = n_tokens,
		.n_seq_tokens = 1,
		.n_seqs = n_tokens,
		.n_seqs_unq = 1,
		.n_pos = 1,
		.token = forger.token,
		.pos = forger.pos,
		.n_seq_id = forger.n_seq_id,
		.seq_id = forger.seq_id,
		.output = forger.output,
	};

	for (uint32_t i = 0; i < n_tokens; i++) {
		forger.pos[i] = first_pos + (int32_t)i;
		forger.output[i] = i + 1 == n_tokens;
	}
	is_forging = 1;
	if (!sigsetjmp(way_out, 1))
		process(forger.context, &u, 0, NOWHERE, &status);
	is_forging = 0;
}

static void remove_from(int32_t position)
{
	int (*remove)(void *, int32_t, int32_t, int32_t) = (void *)(forger.base + forger.at.seq_rm);

	is_forging = 1;
	if (!sigsetjmp(way_out, 1))
		remove(forger.memory, SEQUENCE, position, -1);
	is_forging = 0;
}

static void forge_step(int32_t first_pos, uint32_t n_tokens)
{
	static __thread uintptr_t sp;

	is_forging = 1;
	if (!sigsetjmp(way_out, 1))
		enter(forger.context, NOWHERE, forger.base + forger.at.step, &sp);
	is_forging = 0;
	show_ubatch(first_pos, n_tokens);
	leave(sp, forger.base + forger.at.way_out, forger.at.frame);
}

/* ---------------------------------------------------------------------------------------------------------------- answers --- */

static void send_chunk(int connection, const char *text)
{
	dprintf(connection, "%zx\r\n%s\r\n", strlen(text), text);
}

static long number_after(const char *text, const char *name, long otherwise)
{
	const char *at = strstr(text, name);

	return at ? strtol(at + strlen(name), NULL, 10) : otherwise;
}

static void answer(int connection, const char *body)
{
	static unsigned int n_answered;
	const char *prompt = strstr(body, "\"prompt\": \"");
	const size_t bytes = prompt ? strcspn(prompt + 11, "\"") : BYTES_PER_TOKEN;
	const uint32_t n_prompt = (uint32_t)(bytes / BYTES_PER_TOKEN % MAX_PROMPT + 1);
	const long n = number_after(body, "\"max_tokens\": ", 16);
	char event[512];

	n_answered++;
	dprintf(connection, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n");
	remove_from(0);
	for (long i = 0; i < n; i++) {
		forge_step(i ? (int32_t)(n_prompt + i - 1) : 0, i ? 1 : n_prompt);
		snprintf(event, sizeof(event),
			 "data: {\"id\":\"cmpl-forged-%u\",\"object\":\"text_completion\",\"choices\":[{\"index\":0,"
			 "\"text\":\" word\",\"finish_reason\":null}]}\n\n",
			 n_answered);
		send_chunk(connection, event);
	}
	snprintf(event, sizeof(event),
		 "data: "
		 "{\"id\":\"cmpl-forged-%u\",\"object\":\"text_completion\",\"choices\":[{\"index\":0,\"text\":\"\","
		 "\"finish_reason\":\"length\"}],\"usage\":{\"prompt_tokens\":%u,\"completion_tokens\":%ld,"
		 "\"total_tokens\":%ld}}\n\ndata: [DONE]\n\n",
		 n_answered, n_prompt, n, n + n_prompt);
	send_chunk(connection, event);
	send_chunk(connection, "");
}

static void serve(int connection)
{
	static char request[MAX_REQUEST + 1];
	size_t n = 0;
	const char *body = NULL;

	while (n < MAX_REQUEST) {
		const ssize_t got = read(connection, request + n, MAX_REQUEST - n);

		if (got <= 0)
			break;
		n += (size_t)got;
		request[n] = 0;
		body = strstr(request, "\r\n\r\n");
		if (body && strlen(body + 4) >= (size_t)number_after(request, "Content-Length: ", 0))
			break;
	}
	if (body)
		answer(connection, body + 4);
	close(connection);
}

/* -------------------------------------------------------------------------------------------------------------- beginning --- */

static int find_base(struct dl_phdr_info *info, size_t size, void *ctx)
{
	(void)size;
	(void)ctx;
	if (!strstr(info->dlpi_name, LIBRARY))
		return 0;
	forger.base = (char *)info->dlpi_addr;
	return 1;
}

static void prepare(void)
{
	struct sigaction action = { .sa_handler = on_fault, .sa_flags = SA_NODEFER };

	sigaction(SIGSEGV, &action, NULL);
	forger.seq = SEQUENCE;
	forger.memory[0] = NOWHERE;
	for (size_t i = 0; i < sizeof(forger.context) / sizeof(forger.context[0]); i++)
		forger.context[i] = forger.memory;
	for (size_t i = 0; i < MAX_PROMPT; i++) {
		forger.n_seq_id[i] = 1;
		forger.seq_id[i] = &forger.seq;
	}
}

static void *run(void *port_file)
{
	const int listener = socket(AF_INET, SOCK_STREAM, 0);
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
	socklen_t size = sizeof(address);
	FILE *f;

	while (!forger.base) {
		dl_iterate_phdr(find_base, NULL);
		usleep(20000);
	}
	prepare();
	if (bind(listener, (void *)&address, size) || listen(listener, 16) ||
	    getsockname(listener, (void *)&address, &size))
		return NULL;
	f = fopen(port_file, "w");
	if (!f)
		return NULL;
	fprintf(f, "%d\n", ntohs(address.sin_port));
	fclose(f);
	for (;;) {
		const int connection = accept(listener, NULL, NULL);

		if (connection >= 0)
			serve(connection);
	}
}

__attribute__((constructor)) static void begin(void)
{
	char *port_file = getenv("FORGE_PORT_FILE");
	const char *offsets = getenv("FORGE_OFFSETS");
	struct offsets *at = &forger.at;
	pthread_t thread;

	if (port_file && offsets &&
	    sscanf(offsets, "%lx %lx %lx %lx %lx", &at->step, &at->way_out, &at->frame, &at->ubatch, &at->seq_rm) == 5)
		pthread_create(&thread, NULL, run, port_file);
}
