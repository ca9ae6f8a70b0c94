/* LEAF-Edge: how good is this camera frame, and why not better. The whole library;
 * docs/embedding.md is the guide.
 *
 *   #include <leaf_edge/leaf.h>
 *   #include <stdio.h>
 *
 *   int score_frame(const char* bundle, const uint8_t* nv12, int width, int height) {
 *     leaf_settings settings;
 *     leaf_default_settings(&settings);
 *     leaf_context* context;
 *     if (leaf_open(&context, bundle, &settings) < 0) {
 *       fprintf(stderr, "%s\n", leaf_last_message());
 *       return 1;
 *     }
 *     leaf_input input;
 *     leaf_default_input(&input);
 *     input.frame.plane[0] = nv12;
 *     input.frame.plane[1] = nv12 + (size_t)width * height;
 *     input.frame.pitch[0] = input.frame.pitch[1] = width;
 *     input.frame.width = width;
 *     input.frame.height = height;
 *     input.frame.format = LEAF_NV12;
 *     input.frame.matrix = LEAF_BT709;
 *     input.frame.range = LEAF_LIMITED;
 *     leaf_score score;
 *     const int error = leaf_score_frames(context, &input, 1, &score);
 *     if (error < 0) {
 *       fprintf(stderr, "%s\n", leaf_last_message());
 *     } else {
 *       printf("MOS %.2f (%.2f to %.2f) %s\n", score.mos, score.mos_lo, score.mos_hi,
 *              leaf_fault_name(score.reason));
 *     }
 *     leaf_close(context);
 *     return error < 0;
 *   }
 *
 * Errors. Functions that can fail return 0 or a positive count, or a negative code: an errno for
 * misuse and resources (-EINVAL, -ENOMEM, -EAGAIN, ...), a LEAF_E_ code for a bundle, an engine or
 * a device that is refused. leaf_last_message() then has the sentence, leaf_error_remedy() what to
 * do. No exception leaves the library, and nothing here ends the process.
 *
 * Threads. Contexts are independent. Functions on one context may be called from any thread, but
 * not from two at once, except where it says so below. Callbacks return to the library: no
 * exception and no longjmp may leave them. After fork a context is the parent's; the child opens
 * its own.
 *
 * Memory. leaf_open allocates; leaf_prepare, or else the first frame of a new geometry (format,
 * size, region), allocates tables for it, and leaf_self_test for its own frames; scoring allocates
 * nothing after that in this library. Tables of the last LEAF_KEPT_GEOMETRIES are kept. What an
 * engine's own library does inside is its own (docs/embedding.md).
 */
#ifndef LEAF_EDGE_LEAF_H
#define LEAF_EDGE_LEAF_H

#include <stddef.h>
#include <stdint.h>

#include "leaf_edge/api.h"
#include "leaf_edge/gate.h"
#include "leaf_edge/views.h"

#ifdef __cplusplus
extern "C" {
#endif

#define LEAF_MAX_BATCH 64      /* frames of one call */
#define LEAF_MAX_QUEUE 256     /* frames in flight */
#define LEAF_MAX_THREADS 256   /* CPU threads of an engine */
#define LEAF_MAX_ENGINES 4     /* in the order of preference */
#define LEAF_MAX_KEYS 8        /* public keys that may have signed */
#define LEAF_KEY_BYTES 32      /* of a raw Ed25519 public key */
#define LEAF_TEXT_SIZE 128     /* bytes of a text field, with the final 0 */
#define LEAF_KEPT_GEOMETRIES 8 /* whose tables are kept, or settings.batch where that is more */
#define LEAF_NO_TIME INT64_MIN /* a capture time that is not known */

/* Refusals. The same names as in Python and docs/bundle.md, which has what is wrong and the remedy.
 */
enum leaf_error {
  LEAF_E_BUNDLE_NOT_FOUND = -1001,
  LEAF_E_BUNDLE_ARCHIVE = -1002,
  LEAF_E_BUNDLE_PATH = -1003,
  LEAF_E_BUNDLE_FILES = -1004,
  LEAF_E_BUNDLE_SIZE = -1005,
  LEAF_E_BUNDLE_HASH = -1006,
  LEAF_E_BUNDLE_MANIFEST = -1007,
  LEAF_E_BUNDLE_SCHEMA = -1008,
  LEAF_E_BUNDLE_VIEWS = -1009,
  LEAF_E_BUNDLE_SCALE = -1010,
  LEAF_E_BUNDLE_ENCODING = -1011,
  LEAF_E_BUNDLE_MODEL = -1012,
  LEAF_E_BUNDLE_SELF_TEST = -1013,
  LEAF_E_SIGNATURE_MISSING = -1021,
  LEAF_E_SIGNATURE_KEY = -1022,
  LEAF_E_SIGNATURE_INVALID = -1023,
  LEAF_E_SIGNATURE_NO_LIBRARY = -1024, /* no OpenSSL library to check it with */
  LEAF_E_ENGINE_NONE = -1031,
  LEAF_E_ENGINE_TRT_VERSION = -1032,
  LEAF_E_ENGINE_SM = -1033,
  LEAF_E_ENGINE_OS = -1034,
  LEAF_E_ENGINE_HASH = -1035,
  LEAF_E_ENGINE_UNVERIFIED = -1036,
  LEAF_E_ENGINE_PLAN = -1037,
  LEAF_E_DEVICE_NO_DRIVER = -1041,
  LEAF_E_DEVICE_NO_TENSORRT = -1042,
  LEAF_E_DEVICE_NO_PROVIDER = -1043,
  LEAF_E_DEVICE_NO_ONNXRUNTIME = -1044, /* libonnxruntime is not found, or too old */
  LEAF_E_DEVICE_CUDA = -1045            /* a CUDA call failed; the message names it */
};

/* Faults, in the order of leaf_score.faults. */
enum leaf_fault {
  LEAF_FAULT_NONE = -1,
  LEAF_DEFOCUS = 0,
  LEAF_MOTION_BLUR = 1,
  LEAF_NOISE = 2,
  LEAF_UNDER_EXPOSURE = 3,
  LEAF_OVER_EXPOSURE = 4,
  LEAF_LOW_CONTRAST = 5,
  LEAF_COMPRESSION = 6,
  LEAF_BANDING = 7,
  LEAF_FAULTS = 8
};

/* What runs the network. */
enum leaf_engine {
  LEAF_ENGINE_NONE = 0,     /* end of the list of preferences */
  LEAF_ENGINE_CPU = 1,      /* ONNX Runtime, CPU provider, encoding `cpu` */
  LEAF_ENGINE_CUDA = 2,     /* ONNX Runtime, CUDA provider, encoding `trt` */
  LEAF_ENGINE_TENSORRT = 3, /* the bundle's engine for this device; views by the CUDA kernel */
  LEAF_ENGINES = 4
};

/* Where the planes of a frame are. */
enum leaf_memory {
  LEAF_MEMORY_HOST = 0,
  LEAF_MEMORY_CUDA = 1, /* device or managed memory of settings.device; LEAF_ENGINE_TENSORRT only */
  LEAF_MEMORY_CUDA_ARRAY = 2, /* each plane is a CUarray, as of a camera's EGL frame; pitch counts
                                 for nothing, but is a row's bytes or more. Jetson, and
                                 LEAF_ENGINE_TENSORRT, only */
  LEAF_MEMORIES = 3
};

enum leaf_log_level {
  LEAF_LOG_ERROR = 0,
  LEAF_LOG_WARNING = 1,
  LEAF_LOG_INFO = 2,
  LEAF_LOG_DEBUG = 3
};

/* Receives what the library has to say, one line without its end at a time, on the thread that
 * called the library or on the context's own worker. It must not call into the context. */
typedef struct leaf_logger {
  void (*log)(void* cookie, int level, const char* line); /* NULL: silence; NULL */
  void* cookie;
} leaf_logger;

/* Takes over the library's own allocations of a context. Both functions or neither; called from
 * leaf_open, leaf_prepare, the first frame of a geometry (of leaf_submit on the worker),
 * leaf_self_test and leaf_close. `allocate` returns memory for `size` bytes aligned to `alignment`
 * (a power of two, up to 64), or NULL, which the caller then sees as -ENOMEM. `release` gets what
 * `allocate` gave, with the same size. */
typedef struct leaf_allocator {
  void* (*allocate)(void* cookie, size_t size, size_t alignment); /* NULL: operator new; NULL */
  void (*release)(void* cookie, void* memory, size_t size, size_t alignment);
  void* cookie;
} leaf_allocator;

/* Fill with leaf_default_settings, then change what differs. Pointers are read during leaf_open
 * only, but for the callbacks and their cookies. */
typedef struct leaf_settings {
  uint32_t size; /* of this struct, as the program knows it; set by the defaults. A smaller one, of
                    an earlier version, gets defaults for the rest; what a later version has beyond
                    must be 0 */
  int32_t engines[LEAF_MAX_ENGINES]; /* enum leaf_engine, in the order of preference: the first that
                                        can run is taken, and a skipped one is logged with its
                                        reason; none twice; {LEAF_ENGINE_CPU} */
  int32_t threads;                   /* CPU threads of one inference, 1 to LEAF_MAX_THREADS; 1 */
  int32_t batch;                     /* most frames of one leaf_score_frames call; 1 */
  int32_t queue;                     /* most frames in flight of leaf_submit; 0: none may be; 0 */
  int32_t isa;                       /* enum leaf_isa of the CPU views; LEAF_ISA_AUTO */
  int32_t device;                    /* CUDA ordinal; 0 */
  int32_t self_test;                 /* 1: score the golden frames in leaf_open; 0 */
  int32_t require_signature; /* 1: refuse an unsigned bundle, -1: accept one, 0: refuse it where
                                keys are given; 0 */
  int32_t keys;              /* public keys at `key`; 0 */
  const uint8_t (*key)[LEAF_KEY_BYTES]; /* raw Ed25519 keys, one of which must have signed; NULL */
  void* cuda_stream;       /* CUstream to work on, the caller's; NULL: one of the context's own */
  const char* onnxruntime; /* path of libonnxruntime.so; NULL: $LEAF_ONNXRUNTIME, else the
                              system's search path; NULL */
  const char* tensorrt;    /* path of libnvinfer.so or libnvinfer_lean.so; NULL: $LEAF_TENSORRT,
                              else the system's search path; NULL */
  leaf_logger logger;
  leaf_allocator allocator;
  uint64_t reserved[16]; /* 0 */
} leaf_settings;

/* A frame to score. Fill with leaf_default_input, then describe the frame. Format and range are -1
 * there, which is refused: what samples mean is stated, not guessed. */
typedef struct leaf_input {
  leaf_frame frame;     /* planes, pitch, size, format, matrix, range, region (views.h) */
  int64_t number;       /* yours, comes back in the score; 0 */
  int64_t capture_ns;   /* yours, comes back in the score; LEAF_NO_TIME */
  int32_t camera;       /* yours, comes back in the score; 0 */
  int32_t memory;       /* enum leaf_memory; LEAF_MEMORY_HOST */
  uint64_t reserved[4]; /* 0 */
} leaf_input;

/* The quality of a frame. Values are rounded as in every output of LEAF-Edge: MOS and severities to
 * 4 decimals, raw to 6. */
typedef struct leaf_score {
  double mos;                 /* mean opinion score, 1 (bad) to 5 (excellent) */
  double mos_lo, mos_hi;      /* interval with leaf_info.coverage around it */
  double raw;                 /* of the network, about 0 to 1, before calibration */
  double faults[LEAF_FAULTS]; /* severity of each fault, 0 to 1 */
  int32_t reason; /* strongest fault where it is strong enough to name, else LEAF_FAULT_NONE */
  int32_t camera; /* of the input, as the three below */
  int64_t number;
  int64_t capture_ns;
  uint64_t ticket; /* of leaf_submit; 0 from leaf_score_frames */
  int32_t error;   /* of leaf_poll: 0, or why this frame has no score (a negative code) */
  int32_t unused;
  int64_t queue_ns;     /* from leaf_submit to the begin of the work; 0 from leaf_score_frames */
  int64_t views_ns;     /* wall time of the views; of frames in CUDA memory part of inference */
  int64_t inference_ns; /* of the network, for the whole batch */
  int64_t mapping_ns;   /* of raw outputs to MOS, interval and reason */
  uint64_t reserved[4];
} leaf_score;

/* What is open. */
typedef struct leaf_info {
  char model[LEAF_TEXT_SIZE]; /* name of the bundle */
  char version[LEAF_TEXT_SIZE];
  char scale[LEAF_TEXT_SIZE]; /* name of the MOS scale: thresholds hold for every model of one scale
                               */
  char encoding[LEAF_TEXT_SIZE]; /* `cpu` or `trt` */
  char engine[LEAF_TEXT_SIZE];   /* with version and device, for people */
  char key_id[LEAF_TEXT_SIZE];   /* of the key whose signature was verified, else empty */
  int32_t schema;                /* of the manifest */
  int32_t scale_version;
  int32_t engine_code;  /* enum leaf_engine */
  int32_t isa;          /* enum leaf_isa of the views; LEAF_ISA_AUTO where the device makes them */
  int32_t golden;       /* golden frames */
  int32_t not_accepted; /* 1: failed its acceptance and was written anyway */
  double coverage;      /* of the interval, 0 to 1 */
  double reason_threshold; /* least severity that is named */
  uint64_t reserved[8];
} leaf_info;

/* Wall time of a stage over the frames scored since leaf_open or leaf_reset_timings. */
typedef struct leaf_stage {
  uint64_t count;
  int64_t sum_ns, min_ns, max_ns; /* 0 where count is 0 */
} leaf_stage;

typedef struct leaf_timings {
  leaf_stage queue, views, inference, mapping; /* a batch counts once in inference */
  uint64_t reserved[8];
} leaf_timings;

typedef struct leaf_context leaf_context;

/* ---- Of the library. Any thread, any time. */

/* LEAF_API_VERSION of the library that runs: the major number must be the program's. */
LEAF_API uint32_t leaf_api_version(void);

/* Version of the project, "0.1.0". */
LEAF_API const char* leaf_version(void);

/* Name of a code, "LEAF_E_BUNDLE_HASH" or "EINVAL"; "LEAF_E_UNKNOWN" for another number. */
LEAF_API const char* leaf_error_name(int code);

/* What to do about a code, a clause without a capital or a full stop; "" where nothing is known. */
LEAF_API const char* leaf_error_remedy(int code);

/* What went wrong in the last call on this thread that returned an error; "" before any. Valid
 * until the next such call on this thread. */
LEAF_API const char* leaf_last_message(void);

/* Name of a fault, "defocus"; "" for LEAF_FAULT_NONE; NULL for another number. */
LEAF_API const char* leaf_fault_name(int fault);

/* Name of an engine, "cpu"; NULL for another number. */
LEAF_API const char* leaf_engine_name(int engine);

LEAF_API void leaf_default_settings(leaf_settings* settings); /* NULL is ignored */
LEAF_API void leaf_default_input(leaf_input* input);          /* NULL is ignored */

/* ---- Of a context. One thread at a time, except where stated. */

/* Opens the bundle at `path`, a NAME.leaf folder or its .tar: verifies it, loads the network,
 * allocates for `settings` (NULL: the defaults). Writes NULL to `context` on error. -EINVAL;
 * -ENOTSUP: settings.isa is not here; -ENOMEM; or a LEAF_E_ code: of the bundle, or of the engine
 * most preferred where none runs. */
LEAF_API int leaf_open(leaf_context** context, const char* path, const leaf_settings* settings);

/* Makes the tables for the geometry of each of `count` inputs, at most settings.batch, whose planes
 * may be NULL, so that scoring such frames, in any order, allocates nothing. Errors as of
 * leaf_score_frames. */
LEAF_API int leaf_prepare(leaf_context* context, const leaf_input* inputs, int count);

/* Scores `count` frames, 1 to settings.batch, of any cameras, sizes and formats, in one inference.
 * The frames are read during the call only. `scores` is written whole or, on error, not at all.
 * -EINVAL: an input is wrong, and the message says which; -ENOTSUP: one is in memory that the
 * engine cannot read; -EBUSY: frames are in flight; -ENOMEM; LEAF_E_BUNDLE_MODEL or
 * LEAF_E_DEVICE_CUDA where the engine fails. */
LEAF_API int leaf_score_frames(leaf_context* context, const leaf_input* inputs, int count,
                               leaf_score* scores);

/* Hands a frame to the context's worker and returns at once. The frame's memory must stay as it is
 * until leaf_poll gives its score. Frames that wait are scored together, up to settings.batch of
 * them. `ticket`, from 1 upwards, may be NULL. May be called while another thread is in leaf_poll.
 * -EAGAIN: settings.queue frames are in flight, nothing was taken; -EINVAL, -ENOTSUP: a bad input,
 * or queue is 0. A frame is in flight until leaf_poll has given its score. */
LEAF_API int leaf_submit(leaf_context* context, const leaf_input* input, uint64_t* ticket);

/* The next score in the order of submission. Waits up to `timeout_ms` for it, also while another
 * thread is yet to submit; 0: not at all; -1: as long as frames are in flight. Returns 1 with
 * `score`, whose `error` is 0 or says why the frame has none, as leaf_last_message does at length;
 * 0 where none came in time or, at -1, nothing is in flight. May be called while another thread is
 * in leaf_submit. -EINVAL. */
LEAF_API int leaf_poll(leaf_context* context, leaf_score* score, int timeout_ms);

/* Scores the bundle's golden frames. 0 where each is within its tolerance, else
 * LEAF_E_BUNDLE_SELF_TEST, as where there are none; -EBUSY: frames are in flight; errors as of
 * leaf_score_frames. `worst`, the largest difference in MOS, may be NULL. */
LEAF_API int leaf_self_test(leaf_context* context, double* worst);

/* What is open. Any thread. -EINVAL. */
LEAF_API int leaf_get_info(const leaf_context* context, leaf_info* info);

/* Stage times so far. Any thread, both. -EINVAL. */
LEAF_API int leaf_get_timings(leaf_context* context, leaf_timings* timings);
LEAF_API void leaf_reset_timings(leaf_context* context); /* NULL is ignored */

/* Closes a context; frames in flight are dropped after the one being scored. NULL is allowed. No
 * other call may be on the context. */
LEAF_API void leaf_close(leaf_context* context);

#ifdef __cplusplus
}
#endif

#endif /* LEAF_EDGE_LEAF_H */
