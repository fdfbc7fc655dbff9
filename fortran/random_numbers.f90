!> Reproducible random numbers: one small generator per chain, seeded by the caller, without global state.
!>
!> xoshiro256++ (Blackman and Vigna 2021, doi:10.1145/3460772); its integer additions wrap around, for which
!> the build sets a compiler option. Normal deviates by Marsaglia's polar method.
module random_numbers
   use, intrinsic :: iso_fortran_env, only: int64
   use kinds, only: dp
   implicit none (type, external)
   private

   public :: generator

   real(dp), parameter :: unit_in_last_place = 2.0_dp**(-53)

   !> State of one stream of random numbers.
   type :: generator
      private
      integer(int64) :: state(4) = [1_int64, 2_int64, 3_int64, 4_int64]
      real(dp) :: spare = 0.0_dp
      logical :: has_spare = .false.
   contains
      procedure :: seed => seed_generator
      procedure :: uniform
      procedure :: normal
      procedure :: exponential
      procedure, private :: next
   end type generator

contains

   !> Set the state from 256 random bits; all zero is the one state that the generator cannot leave.
   pure subroutine seed_generator(self, words)
      class(generator), intent(inout) :: self
      integer(int64), intent(in) :: words(4)

      self%state = words
      if (all(words == 0_int64)) self%state(1) = 1_int64
      self%has_spare = .false.
   end subroutine seed_generator

   !> The next 64 random bits.
   pure subroutine next(self, bits)
      class(generator), intent(inout) :: self
      integer(int64), intent(out) :: bits
      integer(int64) :: shifted

      associate (s => self%state)
         bits = ishftc(s(1) + s(4), 23) + s(1)
         shifted = ishft(s(2), 17)
         s(3) = ieor(s(3), s(1))
         s(4) = ieor(s(4), s(2))
         s(2) = ieor(s(2), s(3))
         s(1) = ieor(s(1), s(4))
         s(3) = ieor(s(3), shifted)
         s(4) = ishftc(s(4), 45)
      end associate
   end subroutine next

   !> A uniform deviate in the open interval (0, 1).
   pure subroutine uniform(self, deviate)
      class(generator), intent(inout) :: self
      real(dp), intent(out) :: deviate
      integer(int64) :: bits

      call self%next(bits)
      deviate = (real(ishft(bits, -11), dp) + 0.5_dp)*unit_in_last_place
   end subroutine uniform

   !> A standard normal deviate.
   pure subroutine normal(self, deviate)
      class(generator), intent(inout) :: self
      real(dp), intent(out) :: deviate
      real(dp) :: u, v, square, factor

      if (self%has_spare) then
         deviate = self%spare
         self%has_spare = .false.
         return
      end if
      do
         call self%uniform(u)
         call self%uniform(v)
         u = 2.0_dp*u - 1.0_dp
         v = 2.0_dp*v - 1.0_dp
         square = u*u + v*v
         if (square < 1.0_dp .and. square > 0.0_dp) exit
      end do
      factor = sqrt(-2.0_dp*log(square)/square)
      self%spare = v*factor
      self%has_spare = .true.
      deviate = u*factor
   end subroutine normal

   !> A standard exponential deviate.
   pure subroutine exponential(self, deviate)
      class(generator), intent(inout) :: self
      real(dp), intent(out) :: deviate

      call self%uniform(deviate)
      deviate = -log(deviate)
   end subroutine exponential

end module random_numbers
