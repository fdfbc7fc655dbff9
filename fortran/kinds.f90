!> Numeric kinds and the status codes that every kernel procedure can return.
module kinds
   use, intrinsic :: iso_fortran_env, only: real64, int32
   implicit none (type, external)
   private

   public :: dp, i4

   integer, parameter :: dp = real64
   integer, parameter :: i4 = int32

end module kinds
