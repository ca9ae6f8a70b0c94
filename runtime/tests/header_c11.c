/* leaf.h alone as C11, and what C sees of it, for header_cpp17.cpp to compare. */
#include <leaf_edge/leaf.h>

extern const size_t header_c_sizes[6];
const size_t header_c_sizes[6] = {
    sizeof(leaf_settings), sizeof(leaf_input), sizeof(leaf_score),
    sizeof(leaf_info),     sizeof(leaf_stage), sizeof(leaf_timings),
};

/* Every function by its type: a prototype that changes does not compile here. */
struct functions {
  uint32_t (*api_version)(void);
  const char* (*version)(void);
  const char* (*name)(int);
  const char* (*remedy)(int);
  const char* (*message)(void);
  const char* (*fault)(int);
  const char* (*engine)(int);
  void (*settings)(leaf_settings*);
  void (*input)(leaf_input*);
  int (*open)(leaf_context**, const char*, const leaf_settings*);
  int (*prepare)(leaf_context*, const leaf_input*, int);
  int (*score)(leaf_context*, const leaf_input*, int, leaf_score*);
  int (*submit)(leaf_context*, const leaf_input*, uint64_t*);
  int (*poll)(leaf_context*, leaf_score*, int);
  int (*self_test)(leaf_context*, double*);
  int (*info)(const leaf_context*, leaf_info*);
  int (*timings)(leaf_context*, leaf_timings*);
  void (*reset)(leaf_context*);
  void (*close)(leaf_context*);
};

int header_c_functions(void);
int header_c_functions(void) {
  const struct functions f = {
      leaf_api_version,   leaf_version,       leaf_error_name,  leaf_error_remedy,
      leaf_last_message,  leaf_fault_name,    leaf_engine_name, leaf_default_settings,
      leaf_default_input, leaf_open,          leaf_prepare,     leaf_score_frames,
      leaf_submit,        leaf_poll,          leaf_self_test,   leaf_get_info,
      leaf_get_timings,   leaf_reset_timings, leaf_close,
  };
  return f.api_version() == LEAF_API_VERSION;
}
