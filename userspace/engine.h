/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An engine found in a running process: which profile fits, in which mapped files its functions are, and at which file
 * offsets to probe them. Nothing is attached here.
 */
#ifndef TOKPROF_ENGINE_H
#define TOKPROF_ENGINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "userspace/elf_file.h"
#include "userspace/engine_profile.h"
#include "userspace/probe_place.h"

#define ENGINE_MAX_MODULES 8
#define ENGINE_MAX_MISSING 32

struct engine_module {
	char attach_path
		[80]; /* by which this process can open it: /proc/PID/map_files/A-B, also deleted, in containers */
	char path[512]; /* as the server sees it */
	uint64_t device, inode;
	uint64_t load_bias; /* address in the process = vaddr in the file + bias */
	bool deleted;
	char build_id[ELF_FILE_BUILD_ID_SIZE]; /* "" none */
};

struct engine_probe {
	enum probe_role role;
	uint32_t kind; /* enum step_kind of a step, enum memory_op of a memory function, enum batch_op */
	uint32_t batch_stack; /* step entries: offset of the public batch from the stack pointer; 0: not in the open */
	uint32_t
		batch_argument; /* step entries: which argument is a batch that PROBE_BATCH's functions fill; 0: none */
	uint32_t module; /* index into engine_instance.modules */
	struct probe_place place;
	char symbol[PROFILE_SYMBOL_SIZE]; /* the function; for returns the one whose return it is */
};

struct engine_missing {
	char point[PROFILE_SYMBOL_SIZE];
	char reason[192];
};

struct engine_instance {
	uint32_t pid;
	char name[PROFILE_NAME_SIZE]; /* of the engine */
	char version[64]; /* its own word, or a package's; "" unknown */
	char profile[256]; /* where the profile came from */
	struct engine_module modules[ENGINE_MAX_MODULES]; /* the first is the one that was recognised */
	size_t n_modules;
	struct engine_probe probes[MAX_ENGINE_PROBES]; /* steps first; each place once per module and role */
	size_t n_probes;
	struct engine_missing missing[ENGINE_MAX_MISSING];
	size_t n_missing;
	/*
	 * Where the ubatch's fields may be. Certain: one layout, by the debug information or the build id. Else all that
	 * the profile knows, of which at run time exactly one has to pass the self-check.
	 */
	struct ubatch_layout layouts[MAX_LAYOUTS];
	size_t n_layouts;
	bool layout_certain;
	char layout_source[96]; /* "debug information", "build id 8aed...", "candidates" */
	/* *(uint64_t *)(context + offset) is the context's memory, as in record_memory.memory; LAYOUT_ABSENT: unknown */
	uint32_t context_memory;
	uint32_t context_length; /* the same of a uint32_t, the tokens that one sequence may have */
	/* Inside a graph, where there are probes of it: else all are 0. */
	uint32_t node_op, node_name; /* where a node has the number of its operator, and its name */
	uint32_t graph_nodes; /* where a graph has the number of its nodes; LAYOUT_ABSENT */
	uint64_t op_names; /* address in the process: pointers to the names of operators, by their number */
};

/*
 * Find an engine in a process. About 64 KiB: allocate it.
 * @return 0 (a step can be probed); -ENOENT: no known engine is mapped; -ESRCH: the process is gone; -EACCES: its files
 *	cannot be opened (not root); -ENOTSUP: an engine is there but its steps cannot be probed, see `missing`
 */
int engine__find(struct engine_instance *out, uint32_t pid, const struct engine_profiles *profiles);

/* The files that were found to be of no interest, kept over many calls (list, record -a). */
struct engine_cache;
struct engine_cache *engine_cache__new(void);
void engine_cache__free(struct engine_cache *cache);
int engine__find_cached(struct engine_instance *out, uint32_t pid, const struct engine_profiles *profiles,
			struct engine_cache *cache);

#endif
