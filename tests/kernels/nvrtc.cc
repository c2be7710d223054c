/// Compiles headers by NVRTC, which has no standard library: `nvrtc ROOT HEADER…`, for nvcc.sh. Prints what fails.
/// With -default-device, as a user of NVRTC needs it too: constexpr functions and declarations are then the device's.
#include <nvrtc.h>

#include <cstdio>
#include <string>
#include <vector>

namespace {

bool compiles(const std::string& root, const std::string& header, const char* target) {
  const std::string source = "#include \"" + header + "\"\n", folder = "-I" + root, include = "-I" + root + "/include",
                    arch = std::string("-arch=") + target;
  const std::vector<const char*> options = {"-std=c++20",   "-DQUERN_CUDA",  "-default-device",
                                            folder.c_str(), include.c_str(), arch.c_str()};
  nvrtcProgram program;
  if (nvrtcCreateProgram(&program, source.c_str(), "program.cu", 0, nullptr, nullptr) != NVRTC_SUCCESS) return false;
  const nvrtcResult result = nvrtcCompileProgram(program, int(options.size()), options.data());
  std::size_t size = 0;
  nvrtcGetProgramLogSize(program, &size);
  std::string log(size, '\0');
  nvrtcGetProgramLog(program, log.data());
  if (result != NVRTC_SUCCESS)
    std::printf("FAILED: NVRTC, %s, %s: %s\n%s\n", header.c_str(), target, nvrtcGetErrorString(result),
                log.substr(0, 600).c_str());
  nvrtcDestroyProgram(&program);
  return result == NVRTC_SUCCESS;
}

}  // namespace

int main(int argc, char** argv) {
  int failed = 0, done = 0;
  for (int i = 2; i < argc; ++i)
    for (const char* target : {"sm_80", "sm_90a"}) {
      failed += !compiles(argv[1], argv[i], target);
      ++done;
    }
  std::printf("NVRTC: %d of %d compilations of headers alone\n", done - failed, done);
  return failed || !done;
}
