// What TensorRT's headers need of the CUDA runtime, where the toolkit is not there: two names.
#pragma once

typedef struct CUstream_st* cudaStream_t;
typedef struct CUevent_st* cudaEvent_t;
