// The Python module leaf_edge._native: one bind function per part of the core.
#include <nanobind/nanobind.h>

#include <cstdlib>

void bind_views(nanobind::module_& module);
void bind_gate(nanobind::module_& module);
void bind_context(nanobind::module_& module);

NB_MODULE(_native, module) {
  module.doc() = "LEAF-Edge core: frame views, gate, and the scorer of leaf_edge/leaf.h";
  // A daemon thread that sleeps through the end (unlocked.h) keeps its context: no leak to tell
  // users of.
  nanobind::set_leak_warnings(std::getenv("LEAF_DEBUG") != nullptr);
  bind_views(module);
  bind_gate(module);
  bind_context(module);
}
