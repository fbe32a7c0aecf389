// What OpenH264 needs of the C++ runtime. Linkers that go through archives once meet the runtime before OpenH264, and take
// from it what is named here.

#define WANTED(name, symbol) extern char name[] __asm__(symbol)

WANTED(operator_new, "_Znwm");
WANTED(operator_new_array, "_Znam");
WANTED(operator_delete, "_ZdlPv");
WANTED(operator_delete_sized, "_ZdlPvm");
WANTED(operator_delete_array, "_ZdaPv");
WANTED(operator_delete_array_sized, "_ZdaPvm");
WANTED(personality, "__gxx_personality_v0");
WANTED(pure_virtual, "__cxa_pure_virtual");
WANTED(bad_array_new_length, "__cxa_throw_bad_array_new_length");
WANTED(guard_acquire, "__cxa_guard_acquire");
WANTED(guard_release, "__cxa_guard_release");
WANTED(guard_abort, "__cxa_guard_abort");
WANTED(class_type_info, "_ZTVN10__cxxabiv117__class_type_infoE");
WANTED(si_class_type_info, "_ZTVN10__cxxabiv120__si_class_type_infoE");
WANTED(vmi_class_type_info, "_ZTVN10__cxxabiv121__vmi_class_type_infoE");

__attribute__((used)) static char *const wanted[] = {
  operator_new,   operator_new_array, operator_delete,  operator_delete_sized,  operator_delete_array, operator_delete_array_sized,
  personality,    pure_virtual,       guard_acquire,    guard_release,          guard_abort,           bad_array_new_length,
  class_type_info, si_class_type_info, vmi_class_type_info,
};
