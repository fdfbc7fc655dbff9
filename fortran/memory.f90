!> Prefetch hints to the processor.
module memory
   use, intrinsic :: iso_c_binding, only: c_double, c_int
   implicit none (type, external)
   private

   public :: prefetch

   interface
      !> Begin to bring an array into the cache and go on at once. A little at a time: the processor follows about
      !> twenty cache lines together. Does nothing that a program could notice but save time (prefetch.c).
      pure subroutine prefetch(count, start) bind(c, name="socnn_prefetch")
         import :: c_double, c_int
         implicit none (type, external)
         integer(c_int), intent(in), value :: count
         real(c_double), intent(in) :: start(count)
      end subroutine prefetch
   end interface

end module memory
