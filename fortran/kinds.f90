!> Numeric kinds, and how many columns are computed side by side.
module kinds
   use, intrinsic :: iso_fortran_env, only: real64, int32, int64
   implicit none (type, external)
   private

   public :: dp, i4, i8, lanes

   integer, parameter :: dp = real64
   integer, parameter :: i4 = int32
   integer, parameter :: i8 = int64

   !> Columns of one block. The innermost index of a block's arrays runs over them, so that one vector
   !> instruction serves all: 8 doubles are one AVX-512 register, two AVX2 or four SSE2 registers.
   integer, parameter :: lanes = 8

end module kinds
